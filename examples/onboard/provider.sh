#!/bin/sh
# provider.sh run|check SITE: a key pair and a configuration, made beside and put in place whole.
set -eu
provider=$2/provider

case $1 in
run)
    # A key is made once: another one in its place would lock us out at the provider's.
    if ! sh "$0" check "$2"; then
        rm -rf "$provider" "$provider.new"
        mkdir -m 700 "$provider.new"
        (umask 077 && openssl genpkey -algorithm ed25519 -out "$provider.new/private.pem")
        openssl pkey -in "$provider.new/private.pem" -pubout -out "$provider.new/public.pem"
        printf '{"provider": "%s", "model": "small"}\n' "$ONBOARD_PROVIDER" >"$provider.new/provider.json"
        mv "$provider.new" "$provider"
    fi
    echo "provider=$ONBOARD_PROVIDER" >>"$BATON_OUTPUT"
    # Where the key is, not what it is: facts are kept in clear.
    echo "public_key_file=$provider/public.pem" >>"$BATON_OUTPUT"
    ;;
check)
    grep -q "\"$ONBOARD_PROVIDER\"" "$provider/provider.json" 2>/dev/null &&
        openssl pkey -in "$provider/private.pem" -pubout 2>/dev/null | cmp -s - "$provider/public.pem"
    ;;
esac
