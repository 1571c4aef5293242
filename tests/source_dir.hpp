#pragma once

#include <string>

namespace ticklab {

/// The root of the source tree, without a slash at its end: tests read scenarios, documents and golden files below it.
std::string source_dir();

}  // namespace ticklab
