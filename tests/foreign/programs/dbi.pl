# DATABASE MODE COUNT, by DBD::SQLite.
use strict;
use warnings;
use DBI;
my ($path, $mode, $count) = @ARGV;
my $connection = DBI->connect("dbi:SQLite:dbname=$path", "", "", {RaiseError => 1, AutoCommit => 1});
$connection->sqlite_busy_timeout(20000);
$connection->selectall_arrayref("PRAGMA journal_mode=$mode");
$connection->do("CREATE TABLE IF NOT EXISTS t(x)");
for (1 .. $count) {
    $connection->begin_work;
    $connection->do("INSERT INTO t VALUES(?)", undef, 1);
    $connection->commit;
}
print $connection->selectrow_array("SELECT count(*) FROM t"), "\n";
$connection->disconnect;
