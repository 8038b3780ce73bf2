"""Lock events become holds, waits, the wait-for graph and findings. Pure: no process, no file, no clock."""
