# Runs a program and kills it, with what it started, when the process that started it is gone, however that ended.
#
#   sh -c "$(cat guard.sh)" guard DIRECTORY PROGRAM [ARGUMENT...]
#
# This shell leads a process group. Standard input is a pipe that only the starter holds open for writing. The shell becomes the
# program, so the starter has the program itself as its child. A watcher stays behind: any line on the pipe says that the program
# was stopped and collected, so its process id is no longer ours to kill; end of file says that the starter is gone.
exec 3<&0 </dev/null
directory=$1
shift

watch='
    # The watcher is the last one that can clean up, so it must outlive whatever ends the others.
    trap "" HUP INT TERM
    mine=yes
    while read -r _; do mine=no; done
    if [ "$mine" = yes ]; then
        kill -s KILL -- "-$1" 2>/dev/null
    fi
    # Another program of the same starter may still write in there for a moment.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        rm -rf -- "$2" 2>/dev/null && break
        sleep 0.2
    done
'
# Apart from the group that it kills. Where there is no setsid, it ends with the others and leaves the directory.
$(command -v setsid) sh -c "$watch" watcher "$$" "$directory" <&3 >/dev/null 2>&1 &

exec 3<&-
exec "$@"
