#!/bin/sh
# Prints the path of a Chromium. The headless shell opens a page in a third of the time, so it is
# taken first, and installed from Debian where root runs this. Any other Chromium works too. Where
# there is none, Debian's is installed if that may be done; else one line says which package is
# missing.
SHELL_PACKAGE=chromium-headless-shell

find_one() {
    for name in "$@"; do
        command -v "$name" && return
    done
    return 1
}

install_shell() {
    command -v apt-get >/dev/null && $1 true 2>/dev/null || return
    echo "installing the package $SHELL_PACKAGE for the browser tests …" >&2
    {
        $1 env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$SHELL_PACKAGE" ||
            { $1 apt-get update -qq && $1 env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$SHELL_PACKAGE"; }
    } >&2
}

find_one ${WAITROOM_CHROMIUM:+"$WAITROOM_CHROMIUM"} "$SHELL_PACKAGE" && exit 0
[ "$(id -u)" = 0 ] && install_shell "" && find_one "$SHELL_PACKAGE" && exit 0
find_one chromium chromium-browser google-chrome google-chrome-stable chrome && exit 0
[ "$(id -u)" = 0 ] || { install_shell "sudo -n" && find_one "$SHELL_PACKAGE" && exit 0; }
echo "the browser tests need Chromium: install the package chromium, or set WAITROOM_CHROMIUM to its path" >&2
exit 2
