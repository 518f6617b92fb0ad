// Push security associations from a program of your own, without running ipseckey.
//
//     push_keys FILE [SADB]       add the SAs of FILE, print those that were refused, then list what the SADB holds
//     push_keys --watch N [SADB]  print the next N messages about SAs that anybody adds, changes or deletes
//
// FILE holds commands as ipseckey reads them, or the JSON that `ipseckey --json dump` prints. SADB is ipsecd, kernel,
// memory or auto (the default). Compile it with
//
//     c++ -std=c++23 push_keys.cc -o push_keys $(pkg-config --cflags --libs ipseckey)
#include <fcntl.h>
#include <ipseckey/ipseckey.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>

namespace {

int failed(const ipseckey::Error& error) {
  std::cerr << "push_keys: " << error.text << '\n';
  return EXIT_FAILURE;
}

ipseckey::Error io_error(const char* path) {
  return {ipseckey::Errc::io, std::string(path) + ": " + std::strerror(errno)};
}

// The file may hold keys, so it is read into memory that is locked, and wiped when it is released.
ipseckey::Result<ipseckey::Commands> read_file(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::unexpected(io_error(path));
  ipseckey::SecretBuffer text;
  std::size_t size = 0;
  ssize_t got = 0;
  do {
    size += static_cast<std::size_t>(got);
    if (size == text.size()) text.grow(2 * size + 4096);
    got = read(fd, text.bytes().data() + size, text.size() - size);
  } while (got > 0);
  const auto wrong = io_error(path);
  close(fd);
  if (got < 0) return std::unexpected(wrong);
  return ipseckey::read_commands({reinterpret_cast<const char*>(text.bytes().data()), size});
}

int push(const char* path, ipseckey::Sadb& sadb) {
  auto commands = read_file(path);
  if (!commands) return failed(commands.error());
  for (const auto& fault : commands->faults)
    std::cerr << path << ':' << fault.line << ": " << (fault.warning ? "warning: " : "error: ") << fault.message
              << '\n';
  if (!commands->ok()) return EXIT_FAILURE;  // All or nothing.

  std::vector<ipseckey::pfkey::Message> requests;
  for (auto& request : commands->requests) requests.push_back(std::move(request.message));
  const auto results = sadb.ask_all(std::move(requests));
  if (!results) return failed(results.error());
  int status = EXIT_SUCCESS;
  for (std::size_t i = 0; i < results->size(); ++i) {
    if ((*results)[i]) continue;
    std::cerr << path << ':' << commands->requests[i].line << ": " << (*results)[i].error().text << '\n';
    status = EXIT_FAILURE;
  }
  return status;
}

int list(ipseckey::Sadb& sadb) {
  using Writer = ipseckey::SaWriter;
  auto writer = Writer::create(Writer::Format::commands, Writer::Keys::hidden, sadb.name());
  if (!writer) return failed(writer.error());
  ipseckey::Result<void> written;
  const auto listed = sadb.dump(ipseckey::pfkey::SaType::unspec, [&](ipseckey::pfkey::Message&& sa) {
    const auto text = writer->write(std::move(sa));
    if (text) std::cout << *text;
    if (!text) written = std::unexpected(text.error());
  });
  if (!listed || !written) return failed(listed ? written.error() : listed.error());
  return std::cout.flush() ? EXIT_SUCCESS : failed({ipseckey::Errc::io, "cannot write the list"});
}

int watch(int count, ipseckey::Sadb& sadb) {
  auto listener = sadb.listen();
  if (!listener) return failed(listener.error());
  for (bool begun = false; count > 0 && std::cout;) {
    auto messages = listener->next();
    if (!messages) return failed(messages.error());
    if (messages->empty()) {
      pollfd ready{listener->descriptor(), POLLIN, 0};
      poll(&ready, 1, -1);
    }
    for (const auto& m : *messages) {
      if (!begun) {
        std::cout << "watching " << sadb.name() << std::endl;
        begun = true;
      } else if (const auto lost = ipseckey::messages_lost(m)) {
        std::cout << *lost << " messages were lost" << std::endl;
      } else if (m.sa && m.dst && count-- > 0) {
        std::cout << "type " << unsigned{static_cast<std::uint8_t>(m.type)} << " spi 0x" << std::hex << m.sa->spi
                  << std::dec << " dst " << to_string(m.dst->address) << std::endl;
      }
    }
  }
  return std::cout ? EXIT_SUCCESS : failed({ipseckey::Errc::io, "cannot write"});
}

int usage() {
  std::cerr << "usage: push_keys FILE [SADB] | push_keys --watch N [SADB]\n";
  return EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  const bool watches = argc > 2 && std::string_view(argv[1]) == "--watch";
  const int operands = watches ? 3 : 2;
  if (argc < operands || argc > operands + 1) return usage();
  int count = 0;
  if (watches) {
    const std::string_view number = argv[2];
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), count);
    if (error != std::errc() || end != number.data() + number.size() || count < 1) return usage();
  }
  auto sadb = ipseckey::Sadb::open(argc > operands ? argv[operands] : "auto");
  if (!sadb) return failed(sadb.error());
  if (watches) return watch(count, *sadb);
  const int pushed = push(argv[1], *sadb);
  const int listed = list(*sadb);
  return pushed == EXIT_SUCCESS ? listed : pushed;
}
