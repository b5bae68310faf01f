#!/bin/sh
# Writes the secrets of compose.yaml, once: passwords, the signing key, the settings that hold them, and a certificate
# of this machine's own for a first look. Put your own in place of shop.pem and shop.key.
#
#   sh config/compose/secrets.sh https://queue.example.com
set -eu
public_url=${1:?"give the address that shoppers use, such as https://queue.example.com"}
folder=${2:-$(dirname "$0")/secrets}
[ ! -e "$folder" ] || { echo "$folder exists: its key signed tickets, and new passwords would open nothing" >&2; exit 1; }
umask 077
mkdir "$folder"
cd "$folder"

word() { openssl rand -hex "$1"; }
administrator=$(word 24) owner=$(word 24) serving=$(word 24) valkey=$(word 24)

printf %s "$administrator" >postgres.password
cat >roles.sql <<END
CREATE ROLE waitroom LOGIN PASSWORD '$owner';
CREATE SCHEMA waitroom AUTHORIZATION waitroom;
CREATE ROLE waitroom_serving LOGIN PASSWORD '$serving';
ALTER ROLE waitroom_serving SET search_path = waitroom;
GRANT CREATE, TEMPORARY ON DATABASE waitroom TO waitroom;
REVOKE TEMPORARY ON DATABASE waitroom FROM PUBLIC;
END
cat >valkey.conf <<END
requirepass $valkey
# What Valkey keeps may be lost, and nothing of it may go before its time.
save ""
appendonly no
maxmemory 512mb
maxmemory-policy noeviction
END
cat >waitroom.toml <<END
public_url = "$public_url"
postgres_url = "postgresql://waitroom_serving:$serving@postgres/waitroom"
valkey_url = "redis://:$valkey@valkey:6379/0"
# nginx, as compose.yaml places it.
trusted_proxies = ["172.31.250.10"]
# Moves no money; stripe takes cards.
gateway = "test"
END
{ cat waitroom.toml; echo "postgres_owner_url = \"postgresql://waitroom:$owner@postgres/waitroom\""; } >owner.toml
printf 'signing_keys = ["%s"]\n' "$(word 32)" >secrets.toml
name=${public_url#*://} name=${name%%[:/]*}
openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=$name" -addext "subjectAltName=DNS:$name" \
    -keyout shop.key -out shop.pem 2>openssl.log || { cat openssl.log >&2; exit 1; }
rm openssl.log
# Containers read them as users of their own. Nobody else of this machine gets into the folder.
chmod 0444 ./*
