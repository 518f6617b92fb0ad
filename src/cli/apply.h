#pragma once
/// `apply`: a file as the desired state of the SADB. SAs that stay the same are not touched.
#include <string>

#include "cli/files.h"
#include "cli/runner.h"
#include "cli/status.h"

namespace ipseckey::cli {

struct ApplyRequest {
  std::string file;          ///< `-`: standard input.
  bool dry_run = false;      ///< Says what would happen.
  bool all = false;          ///< SAs that the file does not list are removed, whoever owns them.
  bool flush_first = false;  ///< All SAs are flushed first, as the original program does.
  std::string owner = {};    ///< Whose the SAs are; empty: the file's.
  bool unload = false;       ///< Removes the file's SAs; the file is not read.
  Pipes pipes = Pipes::nameless;
};

/// Reads and checks the whole file, plans, acts: new SAs are added first, surplus ones removed last. A file with a
/// fault changes nothing.
Status apply_file(Session& session, Handlers handlers, const ApplyRequest& request);

}  // namespace ipseckey::cli
