#!/bin/sh
# awk, one process for each file and two at a time; and GNU sort. awk.sh JOB OUT INPUT…, see rows.py.
set -eu
export LC_ALL=C
job=$1
out=$2
shift 2
quoted='"([^"\\]|\\.)*"'
line="^[^ ]+ [^ ]+ [^ ]+ \\[[^]]+\\] \"[A-Z]+ [^ ]+ HTTP\\/[0-9.]+\" [0-9][0-9][0-9] ([0-9]+|-) $quoted $quoted\$"

parts() { # run an awk program over each file
    prog=$1
    shift
    export prog out
    printf '%s\0' "$@" | xargs -0 -P 2 -I{} sh -c 'awk "$prog" "$1" >"$out/.part-$(basename "$1")"' _ {}
    cat "$out"/.part-*
    rm "$out"/.part-*
}

case $job in
status_counts)
    parts "/$line/ { n[\$9]++; next } { n[\"malformed\"]++ } END { for (k in n) print k \"\\t\" n[k] }" "$@" |
        awk -F '\t' '{ n[$1] += $2 } END { for (k in n) printf "%s\t%d\n", k, n[k] }' >"$out/part-0"
    ;;
top_urls)
    parts "/$line/ { p = \$7; sub(/\\?.*/, \"\", p); n[p]++; s[p] += \$10 }
        END { for (k in n) printf \"%s\\t%d\\t%.0f\\n\", k, n[k], s[k] }" "$@" |
        awk -F '\t' '{ n[$1] += $2; s[$1] += $3 } END { for (k in n) printf "%s\t%d\t%.0f\n", k, n[k], s[k] }' |
        sort -t "$(printf '\t')" -k 2,2nr -k 1,1 | head -n 100 >"$out/part-0"
    ;;
visitors)
    parts "/$line/ { k = substr(\$4, 2, 14) \"\\t\" \$1; if (!(k in seen)) { seen[k]; print k } }" "$@" |
        awk -F '\t' '!($0 in seen) { seen[$0]; n[$1]++ } END { for (k in n) print k "\t" n[k] }' >"$out/part-0"
    ;;
word_count)
    parts '{ for (i = 1; i <= NF; i++) n[$i]++ } END { for (k in n) print k "\t" n[k] }' "$@" |
        awk -F '\t' '{ n[$1] += $2 } END { for (k in n) print k "\t" n[k] }' |
        sort --parallel=2 -t "$(printf '\t')" -k 1,1 >"$out/part-0"
    ;;
sort)
    sort --parallel=2 "$@" -o "$out/part-0"
    ;;
esac
