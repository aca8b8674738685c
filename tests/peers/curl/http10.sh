#!/usr/bin/env bash
# curl with HTTP/1.0: asks, prints the answer's text as it comes, and resumes.
set -u
base=$1 session=$2 model=$3
accepted=$(curl --http1.0 --silent --json "{\"message\": \"hello\", \"session_id\": \"$session\", \"model\": \"$model\"}" "$base/chat")
stream_url=${accepted#*'"stream_url":"'} && stream_url=${stream_url%%'"'*}
last_id='' ended=''
until [[ $ended ]]; do
    while IFS= read -r line; do
        case $line in
        'id: '*) last_id=${line#id: } ;;
        'data: {"chunk":"'*) line=${line#*:*:\"} && printf '%s' "${line%\"\}}" ;;
        *'"type":"done"'*) ended=yes ;;
        esac
    done < <(curl --http1.0 --silent --no-buffer ${last_id:+--header "Last-Event-ID: $last_id"} "$base$stream_url")
done
