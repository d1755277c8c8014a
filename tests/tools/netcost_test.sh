#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# examples/netcost: samples are read from mapped memory, nearly all of them, and classified; tracking agrees with
# /proc/stat.
# shellcheck source=tests/tools/example.sh
. "$(dirname "$0")/example.sh"
run_example netcost --quick
passed
