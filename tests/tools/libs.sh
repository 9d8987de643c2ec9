#!/bin/sh
# libs.sh --cflags|--libs NAME[:OTHER]...: what pkg-config says of each library. OTHER is
# its name on other systems; where pkg-config knows neither, -lOTHER (or NAME without lib).
set -eu
what=$1
shift
for library in "$@"; do
    name=${library%%:*}
    other=${library##*:}
    if pkg-config --exists "$name"; then
        pkg-config "$what" "$name"
    elif pkg-config --exists "$other"; then
        pkg-config "$what" "$other"
    elif [ "$what" = --libs ]; then
        echo "-l${other#lib}"
    fi
done
