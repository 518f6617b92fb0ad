// Push security associations from a program of your own, without running ipseckey.
//
//     push_keys FILE [SADB]      add the SAs of FILE, print those that were refused, then list what the SADB holds
//     push_keys --watch N [SADB] print the next N messages about SAs that anybody adds, changes or deletes
//
// FILE holds commands as ipseckey reads them, or the JSON that `ipseckey --json dump` prints. SADB is ipsecd, kernel,
// memory or auto (the default). Compile it with
//
//     c++ -std=c++23 push_keys.cc -o push_keys $(pkg-config --cflags --libs ipseckey)
#include <ipseckey/ipseckey.h>
#include <poll.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <span>
#include <string>

namespace {

int failed(const ipseckey::Error& error) {
  std::cerr << "push_keys: " << error.text << '\n';
  return EXIT_FAILURE;
}

// The text with its keys is wiped as soon as it has been read.
ipseckey::Result<ipseckey::Commands> read(const char* path) {
  std::ifstream file(path);
  if (!file) return ipseckey::fail(ipseckey::Errc::io, std::string("cannot read ") + path);
  std::string text(std::istreambuf_iterator<char>(file), {});
  auto commands = ipseckey::read_commands(text);
  ipseckey::wipe(std::as_writable_bytes(std::span(text)));
  return commands;
}

int push(const char* path, ipseckey::Sadb& sadb) {
  auto commands = read(path);
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
  const auto listed = sadb.dump(ipseckey::pfkey::SaType::unspec, [&](ipseckey::pfkey::Message&& sa) {
    if (const auto text = writer->write(std::move(sa))) std::cout << *text;
  });
  return listed ? EXIT_SUCCESS : failed(listed.error());
}

int watch(int count, ipseckey::Sadb& sadb) {
  auto listener = sadb.listen();
  if (!listener) return failed(listener.error());
  for (bool begun = false; count > 0;) {
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
      } else if (m.sa && m.dst && count-- > 0) {
        std::cout << "type " << unsigned{static_cast<std::uint8_t>(m.type)} << " spi 0x" << std::hex << m.sa->spi
                  << std::dec << " dst " << to_string(m.dst->address) << std::endl;
      }
    }
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  const bool watches = argc > 2 && std::string_view(argv[1]) == "--watch";
  const int operands = watches ? 3 : 2;
  if (argc < operands || argc > operands + 1) {
    std::cerr << "usage: push_keys FILE [SADB] | push_keys --watch N [SADB]\n";
    return EXIT_FAILURE;
  }
  auto sadb = ipseckey::Sadb::open(argc > operands ? argv[operands] : "auto");
  if (!sadb) return failed(sadb.error());
  if (watches) return watch(std::atoi(argv[2]), *sadb);
  const int pushed = push(argv[1], *sadb);
  const int listed = list(*sadb);
  return pushed == EXIT_SUCCESS ? listed : pushed;
}
