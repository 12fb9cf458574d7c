# What the system has to have. To be sourced; needs say and fail.

# Makes sure of a program: its name, and Debian's packages with it, which root installs.
need() {
    local program=$1
    shift
    command -v "$program" >/dev/null && return
    [[ $EUID == 0 ]] && command -v apt-get >/dev/null ||
        fail "$program is missing: install it (on Debian: apt-get install $*)"
    install_packages "$@"
}

install_packages() {
    say "installing $*"
    {
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"
    } </dev/null >&2
}

# Makes sure of a subcommand of cargo, in a version, which crates.io has.
need_cargo() {
    local program=$1 version=$2
    command -v "$program" >/dev/null && return
    say "installing $program $version, once"
    cargo install --locked --quiet --version "$version" "$program" </dev/null >&2
}
