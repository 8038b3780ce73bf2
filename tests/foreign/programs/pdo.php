<?php
// DATABASE MODE COUNT, by PDO and by the SQLite3 class.
[, $path, $mode, $count] = $argv;
$connection = new PDO("sqlite:$path");
$connection->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
$connection->exec("PRAGMA busy_timeout=20000");
$connection->query("PRAGMA journal_mode=$mode")->fetchAll();
$connection->exec("CREATE TABLE IF NOT EXISTS t(x)");
for ($i = 0; $i < $count; $i++) {
    $connection->exec("BEGIN IMMEDIATE");
    $connection->prepare("INSERT INTO t VALUES(?)")->execute([1]);
    $connection->exec("COMMIT");
}
$connection = null;
$other = new SQLite3($path);
$other->busyTimeout(20000);
echo $other->querySingle("SELECT count(*) FROM t"), "\n";
$other->close();
