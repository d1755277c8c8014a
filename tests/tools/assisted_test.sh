#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# examples/assisted: every system call inside the function is recorded, none outside, every wait has its wakeup.
# shellcheck source=tests/tools/example.sh
. "$(dirname "$0")/example.sh"
run_example assisted --rounds 3 --ms 150
passed
