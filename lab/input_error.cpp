#include "ticklab/lab/input_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ticklab::lab {
namespace {

constexpr std::size_t kShownBytes = 48;
constexpr std::size_t kShownWords = 12;
constexpr std::size_t kMaxWord = 64;

/// Number of single-character edits or swaps of neighbours from `a` to `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j)
        last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before.swap(last);
        last.swap(row);
    }
    return last[b.size()];
}

/// Escapes control characters, and replaces bytes that are not UTF-8.
std::string one_line(std::string_view text) {
    const std::string dumped =
        nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    const std::string valid = nlohmann::json::parse(dumped).get<std::string>();
    std::string line;
    for (const char c : valid) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            line += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
        else
            line += c;
    }
    return line;
}

}  // namespace

InputError file_error(std::string file, std::string message) {
    InputError error;
    error.file = std::move(file);
    error.message = std::move(message);
    return error;
}

std::string to_text(const InputError& error) {
    std::string text = error.file;
    if (error.place.line != 0)
        text += fmt::format(":{}:{}", error.place.line, error.place.column);
    text += ": ";
    if (!error.place.pointer.empty())
        text += error.place.pointer + ": ";
    return one_line(text + error.message);
}

std::string found_expected(std::string_view found, std::string_view expected, std::string_view nearest) {
    std::string text = fmt::format("found {}, expected {}", found, expected);
    if (!nearest.empty())
        text += fmt::format("; did you mean {}?", in_quotes(nearest));
    return text;
}

std::string in_quotes(std::string_view text) {
    std::string shortened(text.substr(0, kShownBytes));
    const bool cut = text.size() > kShownBytes;
    while (cut && !shortened.empty() && (static_cast<unsigned char>(shortened.back()) & 0xc0) == 0x80)
        shortened.pop_back();
    if (cut && !shortened.empty() && (static_cast<unsigned char>(shortened.back()) & 0xc0) == 0xc0)
        shortened.pop_back();
    return nlohmann::json(shortened + (cut ? "..." : ""))
        .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string shown(const nlohmann::json& value) {
    switch (value.type()) {
        case nlohmann::json::value_t::object:
            return value.empty() ? "an empty object" : "an object";
        case nlohmann::json::value_t::array:
            return value.empty() ? "an empty array" : "an array";
        case nlohmann::json::value_t::string:
            return in_quotes(value.get_ref<const std::string&>());
        default:
            return value.dump();
    }
}

std::string_view nearest_word(std::string_view word, std::span<const std::string_view> words) {
    if (word.empty() || word.size() > kMaxWord)
        return {};
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (const std::string_view candidate : words) {
        if (candidate.size() > word.size() && candidate.ends_with(word) &&
            candidate[candidate.size() - word.size() - 1] == '.')
            return candidate;
        if (candidate.size() > kMaxWord)
            continue;
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string one_of(std::span<const std::string_view> words) {
    if (words.size() == 1)
        return in_quotes(words[0]);
    std::string text = "one of ";
    for (std::size_t i = 0; i < words.size() && i < kShownWords; ++i)
        text += (i == 0 ? "" : ", ") + in_quotes(words[i]);
    if (words.size() > kShownWords)
        text += fmt::format(" and {} more", words.size() - kShownWords);
    return text;
}

}  // namespace ticklab::lab
