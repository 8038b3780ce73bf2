# DATABASE MODE COUNT, by the sqlite3 gem.
require "sqlite3"
path, mode, count = ARGV
connection = SQLite3::Database.new(path)
connection.busy_timeout = 20_000
connection.execute("PRAGMA journal_mode=#{mode}")
connection.execute("CREATE TABLE IF NOT EXISTS t(x)")
count.to_i.times do
  connection.transaction(:immediate) { connection.execute("INSERT INTO t VALUES(?)", [1]) }
end
puts connection.get_first_value("SELECT count(*) FROM t")
connection.close
