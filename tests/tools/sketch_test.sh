#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# examples/sketch: the kernel's and our tables are byte-identical, estimates keep their bound.
# shellcheck source=tests/tools/example.sh
. "$(dirname "$0")/example.sh"
run_example sketch --quick
passed
