# Runs a program and kills it, with what it started, when the process that started it is gone, however that ended.
#
#   sh -c "$(cat guard.sh)" guard DIRECTORY PROGRAM [ARGUMENT...]
#
# This shell leads a process group. Standard input is a pipe that only the starter holds open for writing. The shell becomes the
# program, so the starter has the program itself as its child. A watcher stays behind: any line on the pipe says that the program
# was stopped and collected, so its process id is no longer ours to kill; end of file says that the starter is gone.
#
# A browser leads a process group of its own. Linux tells by their environment which processes are of this guard.
exec 3<&0 </dev/null
directory=$1
shift
export TESTKIT_GUARD="$$ $directory"

watch='
    # The watcher is the last one that can clean up, so it must outlive whatever ends the others.
    trap "" HUP INT TERM
    mine=yes
    while read -r _; do mine=no; done
    spared=$1
    if [ "$mine" = yes ]; then
        spared=
        kill -s KILL -- "-$1" 2>/dev/null
    fi
    unset TESTKIT_GUARD
    # Those that still run write files again. Another program of the same starter may do so for a moment.
    attempts=0
    while [ "$attempts" -lt 100 ]; do
        for environment in $(grep -lzxFe "TESTKIT_GUARD=$1 $2" /proc/[0-9]*/environ 2>/dev/null); do
            pid=${environment#/proc/}
            case ${pid%/environ} in
            "$$" | "$spared") ;;
            *) kill -s KILL "${pid%/environ}" 2>/dev/null ;;
            esac
        done
        rm -rf -- "$2" 2>/dev/null && break
        sleep 0.2
        attempts=$((attempts + 1))
    done
'
# Apart from the group that it kills. Where there is no setsid, it ends with the others and leaves the directory.
$(command -v setsid) sh -c "$watch" watcher "$$" "$directory" <&3 >/dev/null 2>&1 &

exec 3<&-
exec "$@"
