#pragma once
/// libipseckey: manual keying of IPsec for programs of your own.
///
///   * A Sadb (sadb.h) is a connection to ipsecd, to the kernel's XFRM, or to an empty database in memory. It takes
///     PF_KEY messages (pfkey/message.h) and returns the replies. A Listener hears what others change.
///   * read_commands() (language.h) turns the command language, or the JSON that `ipseckey --json` prints, into such
///     messages; SaWriter turns SAs into either.
///   * A key is a Secret (base/secret.h): locked memory, wiped when it is released. secret_of() creates one.
///
/// Everything is in namespace ipseckey. Link with -lipseckey; C++23 is needed (g++ 12, clang 16 or newer).
///
/// Errors: functions that can fail return a Result, which is std::expected with an Error: a code and a sentence, which
/// never holds key digits. The functions of sadb.h and language.h throw nothing; when memory runs out they return an
/// Error. The standard library's types in the structs behave as always: copying a string can throw std::bad_alloc.
/// Aborts: the library calls neither abort() nor exit(), sets no signal handler, and prints nothing. There is one
/// exception: JSON is built with a library whose destructors allocate, so a program that runs out of memory just then
/// ends. Globals: there is nothing to initialize. All that the process shares is the pool of locked pages that keys
/// live in. Threads: objects are independent, the pool is safe; a single object belongs to one thread at a time. A
/// thread must not be cancelled (pthread_cancel) within a call.
#include "api/language.h"
#include "api/sadb.h"
#include "base/export.h"
#include "base/result.h"
#include "pfkey/message.h"

namespace ipseckey {

/// The version of the library that is loaded: "0.1.0".
IPSECKEY_API const char* version() noexcept;

}  // namespace ipseckey
