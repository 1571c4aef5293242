// Bad input as a value: where, what was found, what was expected, and the nearest valid word.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/lab/scenario.hpp"

namespace ticklab::lab {

/// Errors beyond this many are not listed.
inline constexpr std::size_t kMaxInputErrors = 10;

struct InputError {
    std::string file;   ///< file name, or the command-line argument it came from
    SourcePlace place;  ///< line 0 if it is about the file as a whole
    std::string message;
};

/// About a file or argument as a whole.
InputError file_error(std::string file, std::string message);

/// "file:line:column: /pointer: message", in valid UTF-8 and on one line.
std::string to_text(const InputError& error);

/// "found X, expected Y", with "; did you mean Z?" unless `nearest` is empty.
std::string found_expected(std::string_view found, std::string_view expected, std::string_view nearest = {});

/// The text in quotes, shortened, control characters escaped.
std::string in_quotes(std::string_view text);

/// A JSON value as an error shows it: scalars as written, containers by their kind.
std::string shown(const nlohmann::json& value);

/// The word that `word` was probably meant to be: few edits away, or the same behind a prefix ("offline" for
/// "cpu.offline"). Empty if none is near.
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> words);

/// The words in quotes, or the first of them where there are many: "one of ...".
std::string one_of(std::span<const std::string_view> words);

}  // namespace ticklab::lab
