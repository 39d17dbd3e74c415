#!/bin/sh
# Makes the secrets that compose.yaml asks for. One that exists is kept; to change one, delete its file, run this
# again, and start the services anew (not site-key: without it nobody can play what was recorded). What each file is:
# secrets/README.
set -eu

cd "$(dirname "$0")/secrets"
# the users inside the containers must be able to read the files, and nobody else on this machine may reach them
chmod 0700 .
umask 0333

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

[ -e ami-secret ] || random > ami-secret
[ -e site-key ] || random > site-key
[ -e grafana-admin ] || random > grafana-admin
[ -e asterisk-phones ] || printf 'password=%s\n' "$(random)" > asterisk-phones
# the same secret once more, as a line of manager.conf
rm -f asterisk-manager
printf 'secret=%s\n' "$(cat ami-secret)" > asterisk-manager
