#include "lab.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <stdexcept>

#include "api/open.h"
#include "kernel/view.h"
#include "policylang/file.h"

namespace ipseckey::transcript {
namespace {

using engine::ClientId;
using pfkey::Message;

struct HostRow {
  std::string_view name;
  std::array<std::string_view, 2> addresses;  // The second may be empty.
};
// Output uses the first name of an address.
constexpr std::array kHosts = {
    HostRow{"me.example.com", {"192.0.2.1"}},
    HostRow{"you.example.com", {"192.0.2.2"}},
    HostRow{"me.domain.com", {"192.0.2.1"}},
    HostRow{"you.domain.com", {"192.0.2.2"}},
    HostRow{"mypeer", {"192.0.2.2"}},
    HostRow{"twins.example.net", {"198.51.100.1", "198.51.100.2"}},
    HostRow{"both.example.net", {"198.51.100.7", "2001:db8::7"}},
    HostRow{"six.example.net", {"2001:db8::6"}},
};

struct NumberRow {
  std::string_view name;
  std::uint16_t number;
};
constexpr std::array kProtocols = {NumberRow{"icmp", 1}, NumberRow{"ipip", 4},  NumberRow{"tcp", 6},
                                   NumberRow{"udp", 17}, NumberRow{"ipv6", 41}, NumberRow{"ipv6-icmp", 58}};
constexpr std::array kPorts = {NumberRow{"domain", 53}, NumberRow{"bgp", 179}, NumberRow{"ipsec-nat-t", 4500}};

Result<std::vector<Address>> find_host(const std::string& name) {
  const auto row = std::ranges::find(kHosts, name, &HostRow::name);
  if (row == kHosts.end()) return fail(Errc::not_found, "Name or service not known");
  std::vector<Address> found;
  for (const std::string_view a : row->addresses)
    if (const auto address = parse_address(a)) found.push_back(*address);
  return found;
}

std::optional<std::string> name_of_host(const Address& a) {
  const std::string text = to_string(a);
  for (const HostRow& row : kHosts)
    if (std::ranges::find(row.addresses, text) != row.addresses.end()) return std::string(row.name);
  return std::nullopt;
}

template <class T>
std::optional<T> find_number(const auto& rows, const std::string& name) {
  const auto row = std::ranges::find(rows, name, &NumberRow::name);
  return row == rows.end() ? std::nullopt : std::optional(static_cast<T>(row->number));
}

std::optional<std::string> name_of_protocol(std::uint8_t number) {
  const auto row = std::ranges::find(kProtocols, number, &NumberRow::number);
  return row == kProtocols.end() ? std::nullopt : std::optional(std::string(row->name));
}

bool is_local(const Address& a) {
  const std::string text = to_string(a);
  return text == "192.0.2.1" || text == "2001:db8::1" || text == "fec0:bbbb::4483";
}

engine::Options engine_options(engine::testing::CountedPackets& packets) {
  engine::Options options;
  options.carrier = &packets;
  options.is_local = is_local;
  options.random = [seed = std::uint32_t{0}]() mutable { return seed += 0x1000; };
  return options;
}

// Octets that replace random ones in a transcript: 01 02 03 and so on.
Result<void> count_up(MutableBytes out) {
  std::uint8_t next = 0;
  for (std::byte& b : out) b = std::byte{++next};
  return {};
}

// A kernel that gives some of each answer.
kernel::KernelView kernel_of_the_machine() {
  using enum kernel::Presence;
  return {.system = "Linux 6.1.0",
          .report = {.asked = true,
                     .facts = {{"protocol", "ESP over IPv4", there},
                               {"protocol", "AH over IPv4", missing, "modprobe ah4"},
                               {"authentication", "hmac-sha256", there},
                               {"authentication", "aes-xcbc", missing},
                               {"encryption", "aes-cbc", there},
                               {"encryption", "aes-gcm", there},
                               {"encryption", "camellia-cbc", loadable},
                               {"encryption", "chacha20-poly1305", unknown},
                               {"feature", "ESN", missing},
                               {"feature", "NAT-T", there}}},
          .policies = 2,
          .offload_devices = {"eth0"},
          .may_change = true,
          .lockdown = "integrity",
          .counters = {{"XfrmInError", 0}, {"XfrmInNoStates", 7}, {"XfrmOutNoStates", 1200}}};
}

void must(bool done) {
  if (!done) throw std::runtime_error("the system does not let the transcript have its standard streams");
}

// A standard stream of this process, replaced by a file in memory while the object exists.
class Redirected {
 public:
  Redirected(int fd, std::string_view content)
      : fd_(fd), saved_(fcntl(fd, F_DUPFD_CLOEXEC, 10)), memory_(memfd_create("transcript", MFD_CLOEXEC)) {
    must(saved_ >= 0 && memory_ >= 0);
    must(write(memory_, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
    must(lseek(memory_, 0, SEEK_SET) == 0 && dup2(memory_, fd_) == fd_);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;
  ~Redirected() {
    dup2(saved_, fd_);
    close(saved_);
    close(memory_);
  }

  std::string content() const {
    std::string text(static_cast<std::size_t>(lseek(memory_, 0, SEEK_END)), '\0');
    must(pread(memory_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    return text;
  }

 private:
  int fd_, saved_, memory_;
};

constexpr char kOfStderr = '\1';

void write_stdout(std::string_view text) {
  must(write(STDOUT_FILENO, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

// Standard output is shared with code that writes to the descriptor itself, such as `save -`, so everything passes
// through it, and its first character marks each line of stderr.
cli::Console console(bool terminal) {
  return cli::Console(
      [](std::string_view text) {
        write_stdout(text);
        return 0;
      },
      [](std::string_view text) {
        while (!text.empty()) {
          const auto end = std::min(text.find('\n'), text.size() - 1) + 1;
          write_stdout(kOfStderr + std::string(text.substr(0, end)));
          text.remove_prefix(end);
        }
        return 0;
      },
      terminal);
}

std::string marked(std::string_view raw) {
  std::string out;
  while (!raw.empty()) {
    const auto end = std::min(raw.find('\n'), raw.size());
    std::string_view line = raw.substr(0, end);
    const bool is_error = line.starts_with(kOfStderr);
    if (is_error) line.remove_prefix(1);
    out += is_error ? '!' : '|';
    if (!line.empty()) out += ' ';
    out += line;
    out += end < raw.size() ? "\n" : " [no newline]\n";
    raw.remove_prefix(std::min(end + 1, raw.size()));
  }
  return out;
}

}  // namespace

class Sadb::Client : public backend::Backend {
  // Receives the events meanwhile; then somebody presses Ctrl-C.
  class Ear : public backend::Listener {
   public:
    Ear(Client& client, bool promiscuous) : client_(client), promiscuous_(promiscuous) {}
    int descriptor() const override { return -1; }  // There is nothing to wait for: everything has been received.
    Result<void> next(const Sink& sink) override {
      client_.handler_ = [&](const Message& m) { sink(m.clone()); };
      Message mode;
      mode.type = pfkey::Type::x_promisc;
      mode.satype = promiscuous_ ? pfkey::SaType{1} : pfkey::SaType::unspec;
      mode.seq = mode.pid = 1;
      client_.sadb_.keysock_.handle(client_.id_, std::move(mode), client_.sadb_.clock_(), client_.sadb_.deliver());
      std::exchange(client_.sadb_.meanwhile, [] {})();
      client_.handler_ = {};
      std::raise(SIGINT);
      return {};
    }
    Result<void> end() override { return {}; }

   private:
    Client& client_;
    bool promiscuous_;
  };

 public:
  explicit Client(Sadb& sadb) : sadb_(sadb), id_(sadb.keysock_.open()) { sadb_.clients_.push_back(this); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() override {
    sadb_.keysock_.close(id_);
    std::erase(sadb_.clients_, this);
  }

  std::string name() const override { return "ipsecd:/run/ipsecd/pfkey.sock"; }
  bool idles() const override { return true; }

  Result<void> call(std::span<Message> requests, const Reply& reply) override {
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const Message asked = requests[i].header();
      handler_ = [&, i](const Message& m) {
        const bool end_of_dump = asked.type == pfkey::Type::dump && m.seq == 0;
        if (m.seq == asked.seq || end_of_dump) reply(i, m.clone());
      };
      sadb_.keysock_.expire(sadb_.clock_(), sadb_.deliver());
      sadb_.keysock_.handle(id_, std::exchange(requests[i], asked.header()), sadb_.clock_(), sadb_.deliver());
      while (sadb_.keysock_.dumping(id_)) sadb_.keysock_.next_dumped(id_, sadb_.deliver());
      handler_ = {};
    }
    return {};
  }

  Result<std::unique_ptr<backend::Listener>> listen(bool promiscuous) override {
    return std::make_unique<Ear>(*this, promiscuous);
  }

  void hear(ClientId id, const Message& m) const {
    if (id == id_) hear_all(m);
  }
  void hear_all(const Message& m) const {
    if (handler_) handler_(m);
  }

 private:
  Sadb& sadb_;
  ClientId id_;
  std::function<void(const Message&)> handler_;
};

Sadb::Sadb(backend::Clock clock) : clock_(std::move(clock)), keysock_(engine_options(packets_)) {}

std::function<void(ClientId, const Message&)> Sadb::deliver() {
  return [this](ClientId id, const Message& m) {
    for (const Client* client : clients_) client->hear(id, m);
  };
}

void Sadb::expire() { keysock_.expire(clock_(), deliver()); }

std::uint32_t Sadb::getspi(const Address& src, const Address& dst, std::uint32_t wanted) {
  Message request;
  request.type = pfkey::Type::getspi, request.satype = pfkey::SaType::esp;
  request.seq = 1, request.pid = 999;
  request.src = pfkey::Endpoint{0, 0, src, 0}, request.dst = pfkey::Endpoint{0, 0, dst, 0};
  request.spi_range = pfkey::SpiRange{wanted, wanted};
  const ClientId manager = keysock_.open();
  std::uint32_t spi = 0;
  keysock_.handle(manager, std::move(request), clock_(), [&](ClientId id, const Message& m) {
    if (id == manager && m.sa) spi = m.sa->spi;
    for (const Client* client : clients_) client->hear(id, m);
  });
  keysock_.close(manager);
  return spi;
}

bool Sadb::traffic(std::uint32_t spi, const Address& dst, std::uint64_t bytes) {
  return packets_.charge(keysock_.engine(), {pfkey::SaType::esp, spi, dst}, bytes, false, clock_(),
                         [&](engine::Audience, Message&& m) {
                           for (const Client* client : clients_) client->hear_all(m);
                         });
}

std::unique_ptr<backend::Backend> Sadb::connect() { return std::make_unique<Client>(*this); }

Lab::Lab() : sadb([this] { return now; }) {}

cli::World Lab::world(cli::Console& to) {
  const api::Surroundings around{"/run/ipsecd/pfkey.sock", [this] { return now; }};
  return {
      .console = to,
      .names = {find_host, [](const std::string& n) { return find_number<std::uint8_t>(kProtocols, n); },
                [](const std::string& n) { return find_number<std::uint16_t>(kPorts, n); }},
      .host_name = name_of_host,
      .protocol_name = name_of_protocol,
      .clock = [this] { return now; },
      .pid = 4242,
      .open = [this, around](const std::string& where) -> Result<std::unique_ptr<backend::Backend>> {
        if (where == "auto" || where == "ipsecd" || where == "ipsecd:" + around.socket) return sadb.connect();
        return api::open_sadb(where, around);
      },
      .view_kernel = kernel_of_the_machine,
      .open_scratch = [around](api::Scratch kind) { return api::open_scratch(around, kind); },
      .random = count_up,
      .host = [] { return cli::HostFacts{is_local, {}}; },
      .credentials = "credentials",
      .owner_rows = "run/owned.db",
      .open_spd = [this](const std::string& where) -> Result<std::unique_ptr<backend::Spd>> {
        if (where != "auto" && where != "ipsecd")
          return fail(Errc::unreachable, "no other database of rules answers here");
        return std::make_unique<backend::testing::HeldSpd>(rules);
      },
  };
}

Ran Lab::run(const std::string& name, std::vector<std::string> arguments, std::string_view input) {
  const Redirected in(STDIN_FILENO, input);
  const Redirected out(STDOUT_FILENO, "");
  cli::Console to = console(terminal);
  const auto status = cli::run_program({"/usr/sbin/" + name, std::move(arguments)}, world(to));
  return {marked(out.content()), static_cast<int>(status)};
}

void Lab::run_inside(const std::string& name, std::vector<std::string> arguments) {
  cli::Console to = console(terminal);
  const auto status = cli::run_program({name, std::move(arguments)}, world(to));
  if (status != cli::Status::ok) note("[status " + std::to_string(static_cast<int>(status)) + "]");
}

void Lab::hold(const std::string& entry, bool derived) {
  const policylang::PolicyFile file = policylang::read_policy(entry, "foreign", {});
  for (const policy::Rule& rule : file.rules) {
    backend::HeldRule& held = rules.held.emplace_back();
    held.index = rules.next++, held.rule = rule, held.foreign = !derived, held.derived = derived;
    held.remarks = {derived ? "the database needs it" : "it was made by another program"};
  }
}

void Lab::drop(std::uint32_t index, bool in, std::uint64_t packets) {
  for (backend::HeldRule& held : rules.held) {
    if (held.index != index) continue;
    backend::Dropped& dropped = in ? held.dropped_in : held.dropped_out;
    dropped.packets += packets, dropped.why = "a rule says drop (explicit)";
  }
}

void Lab::note(std::string_view line) { write_stdout(std::string(line) + '\n'); }

}  // namespace ipseckey::transcript
