# lanekeeper-guard: what `kill -9` of the supervisor leaves to be done.
# Lines on standard input tell which processes are the supervisor's now: "services <pid>…" and
# "postgres <pid>". When the pipe closes without "done" the supervisor was killed: the services notice
# by themselves and drain, at most for the tenths of a second given; then the database shuts down.
wait_tenths=$1
services=""
postgres=""

while read -r word rest; do
  case "$word" in
    services) services=$rest ;;
    postgres) postgres=$rest ;;
    done) exit 0 ;;
  esac
done

any_alive() {
  for pid in $services; do
    kill -0 "$pid" 2>/dev/null && return 0
  done
  return 1
}

while any_alive && [ "$wait_tenths" -gt 0 ]; do
  wait_tenths=$((wait_tenths - 1))
  sleep 0.1
done
for pid in $services; do
  kill -KILL "$pid" 2>/dev/null
done
if [ -n "$postgres" ]; then
  kill -INT "$postgres" 2>/dev/null
fi
