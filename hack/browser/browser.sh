#!/bin/sh
# The browser: of the machine it uses kernel and C library only, and it ends with whoever started it.
place=$(dirname "$0")
export HOME="$place/home" XDG_CACHE_HOME="$place/home/cache" XDG_CONFIG_HOME="$place/home/config"
export FONTCONFIG_FILE="$place/fonts.conf" LD_LIBRARY_PATH="$place/unpacked/al2023/lib"
# All it is asked for is on loopback.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
exec setpriv --pdeathsig KILL "$place/unpacked/chromium" "$@"
