#pragma once
/// `apply`: a file as the desired state of the SADB. What stays the same is not touched.
#include <string>

#include "cli/files.h"
#include "cli/runner.h"
#include "cli/status.h"

namespace ipseckey::cli {

struct ApplyRequest {
  std::string file;          ///< `-`: standard input.
  bool dry_run = false;      ///< Says what would happen.
  bool all = false;          ///< What the file does not list goes, whoever owns it.
  bool flush_first = false;  ///< Everything goes first, as the original has it.
  std::string owner = {};    ///< Whose the SAs are; empty: the file's.
  bool unload = false;       ///< The file, which is not read, lists nothing any more.
  Pipes pipes = Pipes::nameless;
};

/// Reads and checks the whole file, plans, acts: what is new comes first, what is surplus goes last. A file with a
/// fault changes nothing.
Status apply_file(Session& session, Handlers handlers, const ApplyRequest& request);

}  // namespace ipseckey::cli
