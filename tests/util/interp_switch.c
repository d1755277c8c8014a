/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* interp_switch.c - the interpreter once more with the portable dispatch, so that both are tested
 * whatever compiler builds the library. */
#define UEBPF_SWITCH
#define interp_run interp_switch_run
#define interp_trace interp_switch_trace
#define interp_is_alone interp_switch_is_alone
#define interp_run_alone interp_switch_run_alone
#include "vm/interp/interp.c"
