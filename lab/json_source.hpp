// A JSON file with comments, held with the place of everything in it.
//
// Rules
//  - Reading is bounded before it is costly: size, nesting, number of values, length of a string. Reaching a bound is
//    bad input like any other.
//  - Duplicate keys and integers that do not fit in 64 bits with a sign are bad input.
//  - No recursion, except over the values of a document, which nest kMaxDepth deep at most.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/lab/input_error.hpp"

namespace ticklab::lab {

class JsonSource {
public:
    static constexpr std::size_t kMaxBytes = 16u << 20;
    static constexpr std::size_t kMaxDepth = 64;
    static constexpr std::size_t kMaxValues = 500'000;
    static constexpr std::size_t kMaxStringBytes = 1u << 16;

    /// Reads a file; "-" is the standard input. Nothing, and one more error, if that fails.
    static std::optional<JsonSource> read(const std::string& file, std::vector<InputError>& errors);
    /// The same for a text that came from `file`.
    static std::optional<JsonSource> parse(std::string file, std::string text, std::vector<InputError>& errors);

    const nlohmann::json& root() const { return root_; }
    const std::string& file() const { return file_; }
    const std::string& text() const { return text_; }

    /// Applies --set arguments, "pointer=value" or "dotted.path=value", in this order. The value is JSON if it is a
    /// container, a literal, a quoted string or an integer, else text. Null leaves the place out, as in a merge patch
    /// (RFC 7386), and does so when all else is set, from the back: the places of all arguments are those of the file
    /// as it stands. A later value for that very place holds. False, and one more error, if there is no such place.
    bool override_values(const std::vector<std::string>& arguments, std::vector<InputError>& errors);

    /// Null if there is no such place.
    const nlohmann::json* value_at(const std::string& pointer) const;

    /// Where the value at `pointer` stands, or the nearest value around it that the file has.
    SourcePlace place_of(const std::string& pointer) const;
    /// The places of the elements of an array, in order.
    std::vector<SourcePlace> element_places(const std::string& pointer) const;
    /// An error about the value at `pointer`.
    InputError error_at(const std::string& pointer, std::string message) const;
    /// An error about the key of the member at `pointer`.
    InputError error_at_key(const std::string& pointer, std::string message) const;

private:
    friend class JsonSourceBuilder;

    using NodeIndex = std::uint32_t;
    static constexpr NodeIndex kNoNode = UINT32_MAX;

    /// A value of the text, in the order of the text.
    struct Node {
        NodeIndex parent;
        std::uint32_t key_offset;  ///< of members of objects
        std::uint32_t offset;
        std::string key;  ///< or the index in the array
    };

    static constexpr std::size_t kCharacterBlock = 256;

    /// An argument of --set, read.
    struct Override;

    void index_text();
    /// False, and one more error, if there is no such place.
    bool put(Override given, std::vector<InputError>& errors);
    /// `place` is there.
    void leave_out(const std::vector<std::string>& place);
    std::uint32_t characters_before(std::uint32_t offset) const;
    /// kNoNode if the text has no such member or element there.
    NodeIndex child_of(NodeIndex parent, std::string_view key) const;
    NodeIndex find(const std::string& pointer) const;
    SourcePlace place_at(const std::string& pointer, std::uint32_t offset) const;
    /// The --set that put there what is at `pointer`; null if the file did.
    const std::string* origin_of(const std::string& pointer) const;

    std::string file_;
    std::string text_;
    nlohmann::json root_;
    std::vector<Node> nodes_;
    std::vector<std::uint32_t> line_starts_;
    /// Number of characters before each kCharacterBlock-th byte: long lines would make columns costly else.
    std::vector<std::uint32_t> characters_before_;
    std::map<std::string, std::string> overrides_;  ///< pointer -> argument
};

/// `pointer` with one more reference token, escaped.
std::string pointer_to(const std::string& pointer, std::string_view key);
std::string pointer_to(const std::string& pointer, std::size_t index);
/// The keys and indices of a pointer, unescaped.
std::vector<std::string> tokens_of(const std::string& pointer);
/// The pointer that has these.
std::string pointer_of(const std::vector<std::string>& tokens);
/// Whether `pointer` is `place` or lies within it.
bool lies_at(std::string_view pointer, std::string_view place);
/// Whether a --set takes this text as JSON. Decimals are text: versions look like them, and probabilities may be text.
bool looks_like_json(std::string_view text);
/// The JSON pointer that "/pointer" or "dotted.path" stands for.
std::string pointer_of_path(const std::string& path);

}  // namespace ticklab::lab
