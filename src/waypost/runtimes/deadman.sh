# The dead man's switch of the function environments. The server writes "+ GROUP" and "- GROUP" to this script's input;
# when the input ends, however the server ended, the process groups that are left are killed.
groups=" "
while read -r verb group; do
    case "$verb" in
    +) groups="$groups$group " ;;
    -) case "$groups" in *" $group "*) groups="${groups%% "$group" *} ${groups#* "$group" }" ;; esac ;;
    esac
done
for group in $groups; do
    kill -s KILL -- "-$group" 2>/dev/null
done
exit 0
