/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* no_ctf.c - in the place of ctf.c where libbabeltrace2 was absent at build time: the option says so. */
#ifndef HAVE_BABELTRACE2
#include "tools/tool.h"

const bool ctf_built = false;

int run_ctf(struct session *s)
{
	(void)s;
	die(EXIT_UNSUPPORTED, "--ctf: built without libbabeltrace2, so recorded traces cannot be read; on Debian: apt-get "
	    "install libbabeltrace2-dev, then build again");
}
#endif
