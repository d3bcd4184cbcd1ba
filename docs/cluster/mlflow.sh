#!/usr/bin/env bash
# MLflow's server for all who run sweeps, its runs in PostgreSQL. The database's password is in ~/.pgpass, so that
# it stands in no command line: HOST:5432:mlflow:mlflow:PASSWORD.
set -euo pipefail

database=${1:?usage: mlflow.sh DATABASE_HOST ARTIFACTS [HOST [PORT]]}
artifacts=${2:?usage: mlflow.sh DATABASE_HOST ARTIFACTS [HOST [PORT]]}
host=${3:-127.0.0.1}
port=${4:-5000}

export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
exec mlflow server \
  --backend-store-uri "postgresql+psycopg2://mlflow@$database:5432/mlflow" \
  --artifacts-destination "$artifacts" \
  --host "$host" \
  --port "$port" \
  --allowed-hosts "localhost:$port,$host:$port,$(hostname):$port"
