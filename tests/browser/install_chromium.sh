#!/usr/bin/env bash
# Make sure that a Chromium is there for the browser tests: the system's, else Debian's package, else Playwright's own.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then
    echo "Browser tests use $(command -v "$name")."
    exit 0
  fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing Debian's Chromium …"
  if apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; then
    exit 0
  fi
fi
echo "Installing Playwright's Chromium …"
"$PY" -m playwright install --with-deps chromium || "$PY" -m playwright install chromium
