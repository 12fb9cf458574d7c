# What the system has to have. To be sourced; needs say and fail.

# Makes sure of a program: its name, and Debian's package with it, which root installs.
need() {
    command -v "$1" >/dev/null && return
    [[ $EUID == 0 ]] && command -v apt-get >/dev/null ||
        fail "$1 is missing: install it (on Debian: apt-get install $2)"
    install_package "$2"
}

install_package() {
    say "installing $1"
    {
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$1"
    } </dev/null >&2
}
