// The manual of the command line, made of the parser's own definitions: no option is described twice.
//
// Rules
//  - An option's type name says what completes it: a word with FILE in it a file, {a,b} one of these words.
#pragma once

#include <string>

#include "ticklab/lab/cli/command_line.hpp"

namespace ticklab::lab {

/// docs/cli-reference.md
std::string manual_markdown(const CommandLine& line);
/// A page in man(7) form, section 1.
std::string manual_page(const CommandLine& line);
/// Completion for bash.
std::string bash_completion(const CommandLine& line);

}  // namespace ticklab::lab
