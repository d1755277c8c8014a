#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The small tracer's own sums agree and its file holds only wanted events.
# shellcheck source=tests/tools/example.sh
. "$(dirname "$0")/example.sh"
run_example tracer 300
passed
