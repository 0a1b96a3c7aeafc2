# A shell with job control, at the terminal that `script` shows: each of its pipelines is in the foreground for a moment.
set -m
stty rows 20 cols 70
total=0
for i in $(seq 1 150); do
    echo "line $i"
    test -t 0 && test -t 1 || exit 1
    n=$(seq 1 "$i" | tail -n 1 | tee /dev/tty)
    total=$((total + n))
    (stty size </dev/tty)
    echo "$i" > progress.new
    mv progress.new progress
done
echo "total $total"
