#!/bin/sh
# probe.sh CC FLAG...: prints, one a line, the flags that this compiler knows.
set -eu
cc=$1
shift

knows() {
    echo 'int main(void) { return 0; }' | "$cc" -Werror "$@" -xc -c -o /dev/null - 2>/dev/null
}

# Mostly the compiler knows them all: then one call will do.
if knows "$@"; then
    printf '%s\n' "$@"
    exit 0
fi
for flag in "$@"; do
    if knows "$flag"; then
        echo "$flag"
    fi
done
