// How commands print what a hunt has come to.
#pragma once

#include <string>

#include "ticklab/lab/exit_code.hpp"
#include "ticklab/lab/hunt/hunt_document.hpp"

namespace ticklab::lab {

/// One entry of "failures".
std::string failure_text(const HuntJson& failure);
/// The last line of the report.
std::string summary_text(const HuntJson& document);
ExitCode exit_code_of(const HuntResult& result);

}  // namespace ticklab::lab
