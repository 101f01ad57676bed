#!/bin/bash
# Run once by the PostgreSQL image, on an empty volume: the role of the gateways, who owns the
# ledger's database and nothing else. The gateways never log in as a superuser.
set -euo pipefail

password=$(<"$ENLACE_LEDGER_PASSWORD_FILE")
# make-secrets writes letters and digits only; anything else would have to be quoted here.
[[ $password =~ ^[A-Za-z0-9]{32,}$ ]] || { echo "ledger_password: unexpected characters" >&2; exit 1; }

psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --quiet <<SQL
CREATE ROLE enlace LOGIN PASSWORD '$password';
CREATE DATABASE enlace OWNER enlace;
REVOKE ALL ON DATABASE enlace FROM PUBLIC;
SQL
