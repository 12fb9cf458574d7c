# Runs tests that all have to pass. A test of what happens in time can come too late where a shared
# machine stands still for seconds: up to three that fail are run once more, each alone, and have to
# pass then. They are named loudly, since a test that needs this twice has a fault of its own.
#
# Arguments: the name of a function that runs all the tests with `--no-fail-fast`, and the name of one
# that runs the single test it is given.
once_more() {
    all=$1 single=$2
    log=$(mktemp)
    if "$all" >"$log" 2>&1; then
        cat "$log"
        rm -f "$log"
        return
    fi
    cat "$log"
    failed=$(sed -n '/^failures:$/,$s/^    \([A-Za-z0-9_:]*\)$/\1/p' "$log" | sort -u)
    rm -f "$log"
    count=$(echo "$failed" | wc -w)
    test "$count" -ge 1 && test "$count" -le 3 || { echo "$count tests failed" >&2; return 1; }
    for name in $failed; do
        echo "== FAILED among the others, once more alone: $name" >&2
        again=$("$single" "$name" 2>&1) || { echo "$again" >&2; return 1; }
        echo "$again" >&2
        echo "$again" | grep -q "^test result: ok. 1 passed" || return 1
    done
}
