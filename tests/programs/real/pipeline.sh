# Six programs in a row, all at work at once, with a subshell and a temporary file.
set -e
(seq 1 2000000; echo end) | tee copy | gzip -6 | gzip -d |
    awk '{ sum = (sum * 31 + $1) % 1000003; print sum, NR } NR % 100000 == 0 { print NR > "progress"; fflush("progress") }' |
    sort -k 1n -k 2n -S 20M -T . | sha256sum > sum
cmp -s copy copy
cat sum > result
wc -l < copy >> result
