#pragma once
/// A vault's three descriptors with contents of ours, under a known key.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "ipsecd/keep/vault.h"
#include "must.h"

namespace ipseckey {

/// A sealed memfd, as SharedPages creates it.
inline Descriptor sealed(Bytes content) {
  Descriptor fd(memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  MUST(write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  MUST(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) == 0);
  return fd;
}

/// Records, numbers, and a key whose octets are all 7.
inline ipsecd::Vault::Parts parts_of(Bytes records, Bytes numbers) {
  std::array<int, 2> ends{};
  MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const Descriptor in(ends[0]);
  std::array<char, 36> key{};
  key.fill(7);
  MUST(send(in.get(), key.data(), key.size(), 0) == static_cast<ssize_t>(key.size()));
  return {sealed(records), sealed(numbers), Descriptor(ends[1])};
}

/// What the service manager would pass to the next process.
inline ipsecd::Vault::Parts copies(const ipsecd::Vault::Parts& parts) {
  ipsecd::Vault::Parts out;
  for (std::size_t i = 0; i < parts.size(); ++i) out[i] = Descriptor(fcntl(parts[i].get(), F_DUPFD_CLOEXEC, 0));
  return out;
}

}  // namespace ipseckey
