# WEBrick's Digest before a page: webrick_server.rb PORT USERS REALM LOG
#
# By its default settings: MD5-sess, a nonce for each second, and a nextnonce with each answer.

require "webrick"
require "webrick/httpauth/digestauth"
require "webrick/httpauth/htdigest"

class Server < WEBrick::HTTPServer
  # A crowd connects at once.
  def listen(address, port)
    super
    listeners.each { |listener| listener.listen(128) }
  end

  # An answer goes out in two pieces.
  def run(socket)
    socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    super
  end

  def access_log(config, request, response)
    scheme = request["authorization"].to_s[/\A\S+/] || "-"
    line = "#{request.request_method} #{request.unparsed_uri} #{response.status} login=#{scheme}"
    config[:LabLog].write("port=#{request.peeraddr[1]} #{line}\n")
  end
end

port, users, realm, path = ARGV
log = File.open(path, "a")
log.sync = true
quiet = WEBrick::Log.new(File::NULL)
accounts = WEBrick::HTTPAuth::Htdigest.new(users)
login = WEBrick::HTTPAuth::DigestAuth.new(Realm: realm, UserDB: accounts, Logger: quiet)
server = Server.new(BindAddress: "127.0.0.1", Port: Integer(port), Logger: quiet, MaxClients: 256, LabLog: log)
server.mount_proc("/") do |request, response|
  login.authenticate(request, response)
  response["X-Remote-User"] = request.user
  response.body = "hello from #{request.path}\n"
end
trap("TERM") { server.shutdown }
server.start
