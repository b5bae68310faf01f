#!/bin/sh
# Prints the path of a program that tests run beside the service, such as nginx or promtool. Where root runs this,
# Debian's package of it is installed if it is missing; else one line says which package is.
name=$1
case $name in
    nginx) package=nginx-light ;;
    promtool) package=prometheus ;;
    systemd-analyze) package=systemd ;;
    *) package=$name ;;
esac
PATH=$PATH:/usr/sbin

command -v "$name" && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing the package $package for the tests of peers …" >&2
    get() { env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package"; }
    { get || { apt-get update -qq && get; }; } >&2
    command -v "$name" && exit 0
fi
echo "this test needs $name: install the package $package" >&2
exit 2
