# In place of Ray's two agents of a node, a hundred megabytes and two CPU seconds that bring a run of its own nothing:
# one serves the dashboard, which is not there, the other makes environments, which nobody asks for. Their node waits for
# their ports, and ends when they do.
trap '' INT TERM HUP # what a terminal tells the whole group; it ends with its node
for option; do
    case $option in
        --node-id=*) node=${option#*=} ;;
        --session-dir=*) folder=${option#*=} ;;
    esac
done
case $1 in
    */dashboard/*) ports="metrics_agent_port metrics_export_port dashboard_agent_listen_port" number=-1 ;;
    *) ports=runtime_env_agent_port number=1 ;;
esac
for port in $ports; do
    printf %s "$number" >"$folder/.$port" && mv "$folder/.$port" "$folder/${port}_$node"
done
while kill -0 "$PPID" 2>/dev/null; do
    sleep 1
done
