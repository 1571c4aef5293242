#include "ticklab/lab/json_source.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

namespace ticklab::lab {

using nlohmann::json;

/// Takes the parser's events. It follows the text with a cursor of its own, as the events carry no places; what it
/// walks over has passed the parser already.
class JsonSourceBuilder {
public:
    using number_integer_t = json::number_integer_t;
    using number_unsigned_t = json::number_unsigned_t;
    using number_float_t = json::number_float_t;
    using string_t = json::string_t;
    using binary_t = json::binary_t;

    JsonSourceBuilder(JsonSource& source, std::vector<InputError>& errors) : source_(source), errors_(errors) {
        if (source_.text_.starts_with("\xef\xbb\xbf"))
            cursor_ = 3;
    }

    bool null() { return scalar(nullptr); }
    bool boolean(bool value) { return scalar(value); }
    bool number_integer(number_integer_t value) { return scalar(value); }
    bool number_unsigned(number_unsigned_t value) {
        if (value > INT64_MAX)
            return fail(next_token(), "an integer of at most 9223372036854775807");
        return scalar(static_cast<std::int64_t>(value));
    }
    bool number_float(number_float_t value, const string_t& token) {
        if (token.find_first_of(".eE") == std::string::npos)
            return fail(next_token(), "an integer that fits in 64 bits");
        return scalar(value);
    }
    bool string(string_t& value) {
        if (value.size() > JsonSource::kMaxStringBytes)
            return fail(next_token(), fmt::format("a string of at most {} bytes", JsonSource::kMaxStringBytes));
        return scalar(std::move(value));
    }
    bool binary(binary_t&) { return false; }

    bool start_object(std::size_t) { return open(json::object()); }
    bool start_array(std::size_t) { return open(json::array()); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(string_t& name) {
        key_offset_ = next_token();
        if (name.size() > JsonSource::kMaxStringBytes)
            return fail(key_offset_, fmt::format("a key of at most {} bytes", JsonSource::kMaxStringBytes));
        if (open_.back().value->contains(name)) {
            errors_.push_back(
                {source_.file_, source_.place_at("", key_offset_), fmt::format("duplicate key {}", in_quotes(name))});
            return false;
        }
        key_ = std::move(name);
        skip_token();
        return true;
    }

    bool parse_error(std::size_t position, const std::string&, const json::exception& exception) {
        errors_.push_back({source_.file_, source_.place_at("", error_offset(position, exception.what())),
                           message_of(exception.what())});
        return false;
    }

private:
    struct Open {
        json* value;
        JsonSource::NodeIndex node;
        std::size_t count = 0;
    };

    static bool in_word(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'E' || c == '+' || c == '-' || c == '.';
    }

    /// Start of the token at whose end, or just after it, the parser gave up.
    std::uint32_t error_offset(std::size_t position, std::string_view what) const {
        const std::string& text = source_.text_;
        if (position > text.size() || position == 0)
            return static_cast<std::uint32_t>(text.size());
        std::size_t at = position - 1;
        if (what.find("unexpected string literal") != std::string_view::npos && at > 0)
            return static_cast<std::uint32_t>(std::min(text.rfind('"', at - 1), at));
        if (what.find("unexpected") == std::string_view::npos && at > 0 && !in_word(text[at]))
            at -= in_word(text[at - 1]) ? 1 : 0;
        while (at > 0 && in_word(text[at]) && in_word(text[at - 1]))
            --at;
        return static_cast<std::uint32_t>(at);
    }

    /// "[...] parse error at line 1, column 2: syntax error while parsing X - unexpected Y; expected Z" in our words.
    static std::string message_of(std::string_view what) {
        const std::size_t colon = what.find(": ");
        std::string_view text = colon == std::string_view::npos ? what : what.substr(colon + 2);
        const std::size_t dash = text.find(" - ");
        if (dash != std::string_view::npos)
            text = text.substr(dash + 3);
        constexpr std::string_view kUnexpected = "unexpected ", kExpected = "; expected ";
        const std::size_t expected = text.rfind(kExpected);
        if (text.starts_with(kUnexpected))
            return found_expected(
                text.substr(kUnexpected.size(),
                            expected == std::string_view::npos ? expected : expected - kUnexpected.size()),
                expected == std::string_view::npos ? "JSON" : text.substr(expected + kExpected.size()));
        return fmt::format("not JSON: {}", text.substr(0, text.find("; last read")));
    }

    bool fail(std::size_t offset, const std::string& expected) {
        std::size_t end = offset;
        while (end < source_.text_.size() && end < offset + 40 && !std::strchr(" \t\r\n,]}", source_.text_[end]))
            ++end;
        const std::string found =
            source_.text_[offset] == '"' ? "a longer one" : source_.text_.substr(offset, end - offset);
        errors_.push_back(
            {source_.file_, source_.place_at("", static_cast<std::uint32_t>(offset)), found_expected(found, expected)});
        return false;
    }

    std::uint32_t next_token() {
        const std::string& text = source_.text_;
        while (cursor_ < text.size()) {
            const char c = text[cursor_];
            if (c == '/' && cursor_ + 1 < text.size() && text[cursor_ + 1] == '/') {
                cursor_ = std::min(text.find('\n', cursor_), text.size());
            } else if (c == '/') {
                cursor_ = std::min(text.find("*/", cursor_ + 2), text.size() - 2) + 2;
            } else if (std::strchr(" \t\r\n,:", c) != nullptr && c != '\0') {
                ++cursor_;
            } else {
                break;
            }
        }
        return static_cast<std::uint32_t>(std::min(cursor_, text.size()));
    }

    void skip_token() {
        const std::string& text = source_.text_;
        cursor_ = next_token();
        if (cursor_ < text.size() && text[cursor_] == '"') {
            for (++cursor_; cursor_ < text.size() && text[cursor_] != '"'; ++cursor_)
                cursor_ += text[cursor_] == '\\' ? 1u : 0u;
            ++cursor_;
            return;
        }
        if (cursor_ < text.size() && !in_word(text[cursor_])) {
            ++cursor_;
            return;
        }
        while (cursor_ < text.size() && in_word(text[cursor_]))
            ++cursor_;
    }

    /// Puts a value at its place in the document; null if there are too many.
    json* place(json value) {
        const std::uint32_t offset = next_token();
        if (source_.nodes_.size() >= JsonSource::kMaxValues) {
            errors_.push_back({source_.file_, source_.place_at("", offset),
                               found_expected("more", fmt::format("at most {} values", JsonSource::kMaxValues))});
            return nullptr;
        }
        skip_token();
        if (open_.empty()) {
            source_.nodes_.push_back({JsonSource::kNoNode, offset, offset, {}});
            source_.root_ = std::move(value);
            return &source_.root_;
        }
        Open& parent = open_.back();
        if (parent.value->is_object()) {
            json& member = (*parent.value)[key_];
            member = std::move(value);
            source_.nodes_.push_back({parent.node, key_offset_, offset, std::move(key_)});
            return &member;
        }
        source_.nodes_.push_back({parent.node, offset, offset, std::to_string(parent.count++)});
        parent.value->push_back(std::move(value));
        return &parent.value->back();
    }

    bool scalar(json value) { return place(std::move(value)) != nullptr; }

    bool open(json value) {
        if (open_.size() >= JsonSource::kMaxDepth) {
            errors_.push_back(
                {source_.file_, source_.place_at("", next_token()),
                 found_expected("one level more", fmt::format("at most {} levels of nesting", JsonSource::kMaxDepth))});
            return false;
        }
        json* const placed = place(std::move(value));
        if (placed == nullptr)
            return false;
        open_.push_back({placed, static_cast<JsonSource::NodeIndex>(source_.nodes_.size() - 1)});
        return true;
    }

    bool close() {
        skip_token();
        open_.pop_back();
        return true;
    }

    JsonSource& source_;
    std::vector<InputError>& errors_;
    std::size_t cursor_ = 0;
    std::uint32_t key_offset_ = 0;
    std::string key_;
    std::vector<Open> open_;
};

namespace {

/// The bytes of a file; nothing, and a reason, if it cannot be read or is too long.
std::optional<std::string> read_bounded(const std::string& file, std::string& reason) {
    const bool standard_input = file == "-";
    const int fd = standard_input ? STDIN_FILENO : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        reason = fmt::format("cannot be opened: {}", std::strerror(errno));
        return std::nullopt;
    }
    std::string text;
    struct stat status {};
    if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
        reason = found_expected("a directory", "a file");
    else if (S_ISREG(status.st_mode) && static_cast<std::uintmax_t>(status.st_size) > JsonSource::kMaxBytes)
        reason = found_expected(fmt::format("{} bytes", status.st_size),
                                fmt::format("at most {} bytes", JsonSource::kMaxBytes));
    std::string chunk(1u << 16, '\0');
    while (reason.empty()) {
        const ssize_t got = ::read(fd, chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            reason = fmt::format("cannot be read: {}", std::strerror(errno));
        if (got <= 0)
            break;
        text.append(chunk, 0, static_cast<std::size_t>(got));
        if (text.size() > JsonSource::kMaxBytes)
            reason = found_expected("more", fmt::format("at most {} bytes", JsonSource::kMaxBytes));
    }
    if (!standard_input)
        ::close(fd);
    if (!reason.empty())
        return std::nullopt;
    return text;
}

/// The index that a token is in an array of `size` elements, "-" the one behind the last; SIZE_MAX if it is none.
std::size_t index_of_token(std::string_view token, std::size_t size) {
    const bool number = looks_like_json(token) && token[0] >= '0' && token[0] <= '9' && token.size() < 8;
    return token == "-" ? size : number ? std::stoul(std::string(token)) : SIZE_MAX;
}

/// What an element behind the one at `index` is called when that one is gone.
void move_up(std::string& token, std::size_t index) {
    const std::size_t at = index_of_token(token, 0);
    if (at != SIZE_MAX && at > index)
        token = std::to_string(at - 1);
}

/// Of two indices the lower one first, and what is within a place behind it.
struct ByIndex {
    bool operator()(const std::vector<std::string>& a, const std::vector<std::string>& b) const {
        return std::lexicographical_compare(
            a.begin(), a.end(), b.begin(), b.end(), [](const std::string& left, const std::string& right) {
                return left.size() != right.size() ? left.size() < right.size() : left < right;
            });
    }
};

}  // namespace

std::optional<JsonSource> JsonSource::read(const std::string& file, std::vector<InputError>& errors) {
    std::string reason;
    std::optional<std::string> text = read_bounded(file, reason);
    const std::string name = file == "-" ? "standard input" : file;
    if (!text) {
        errors.push_back(file_error(name, reason));
        return std::nullopt;
    }
    return parse(name, *std::move(text), errors);
}

std::optional<JsonSource> JsonSource::parse(std::string file, std::string text, std::vector<InputError>& errors) {
    if (text.size() > kMaxBytes) {
        errors.push_back(file_error(file, found_expected("more", fmt::format("at most {} bytes", kMaxBytes))));
        return std::nullopt;
    }
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
        errors.push_back(file_error(file, found_expected("an empty file", "a JSON object")));
        return std::nullopt;
    }
    JsonSource source;
    source.file_ = std::move(file);
    source.text_ = std::move(text);
    source.index_text();
    JsonSourceBuilder builder(source, errors);
    constexpr bool kStrict = true, kComments = true;
    if (!json::sax_parse(source.text_, &builder, json::input_format_t::json, kStrict, kComments))
        return std::nullopt;
    return source;
}

struct JsonSource::Override {
    std::string argument;  ///< as errors name it
    std::vector<std::string> place;
    json value;

    static std::optional<Override> read(const std::string& argument, std::vector<InputError>& errors);
};

std::optional<JsonSource::Override> JsonSource::Override::read(const std::string& argument,
                                                               std::vector<InputError>& errors) {
    const std::string file = "--set " + argument;
    const std::size_t equals = argument.find('=');
    if (equals == std::string::npos || equals == 0) {
        errors.push_back(file_error(file, found_expected(in_quotes(argument), "/pointer=value or dotted.path=value")));
        return std::nullopt;
    }
    Override read{file, tokens_of(pointer_of_path(argument.substr(0, equals))), nullptr};
    std::string text = argument.substr(equals + 1);
    if (looks_like_json(text)) {
        std::optional<JsonSource> parsed = parse(file, std::move(text), errors);
        if (!parsed)
            return std::nullopt;
        read.value = std::move(parsed->root_);
    } else {
        read.value = std::move(text);
    }
    if (read.place.size() <= kMaxDepth / 2)
        return read;
    errors.push_back(file_error(file, found_expected("a longer path", fmt::format("at most {} steps", kMaxDepth / 2))));
    return std::nullopt;
}

bool JsonSource::override_values(const std::vector<std::string>& arguments, std::vector<InputError>& errors) {
    std::set<std::vector<std::string>, ByIndex> left_out;
    for (const std::string& argument : arguments) {
        std::optional<Override> read = Override::read(argument, errors);
        if (!read)
            return false;
        if (!read->value.is_null()) {
            left_out.erase(read->place);
            if (!put(*std::move(read), errors))
                return false;
        } else if (value_at(pointer_of(read->place)) != nullptr) {
            left_out.insert(std::move(read->place));
        } else {
            errors.push_back(file_error(
                read->argument, found_expected("no " + in_quotes(pointer_of(read->place)), "a place to leave out")));
            return false;
        }
    }
    std::for_each(left_out.rbegin(), left_out.rend(), [this](const auto& place) { leave_out(place); });
    return true;
}

bool JsonSource::put(Override given, std::vector<InputError>& errors) {
    json* at = &root_;
    std::string reached;
    for (const std::string& token : given.place) {
        if (at->is_null())
            *at = json::object();
        if (at->is_array()) {
            const std::size_t index = index_of_token(token, at->size());
            if (index > at->size()) {
                errors.push_back(file_error(
                    given.argument,
                    fmt::format(
                        "{}: {}", reached.empty() ? "/" : reached,
                        found_expected(in_quotes(token), fmt::format("an index of at most {}, or -", at->size())))));
                return false;
            }
            if (index == at->size())
                at->push_back(nullptr);
            reached = pointer_to(reached, index);
            at = &(*at)[index];
            continue;
        }
        if (!at->is_object()) {
            errors.push_back(file_error(
                given.argument, fmt::format("{}: {}", reached, found_expected(shown(*at), "an object or array"))));
            return false;
        }
        reached = pointer_to(reached, token);
        at = &(*at)[token];
    }
    *at = std::move(given.value);
    overrides_[reached] = std::move(given.argument);
    return true;
}

void JsonSource::leave_out(const std::vector<std::string>& place) {
    const std::string pointer = pointer_of(place);
    const std::string around = pointer_of({place.begin(), place.end() - 1});
    json& parent = root_[json::json_pointer(around)];
    NodeIndex node = origin_of(around) == nullptr ? 0 : kNoNode;
    for (std::size_t i = 0; i + 1 < place.size() && node != kNoNode; ++i)
        node = child_of(node, place[i]);
    if (const NodeIndex gone = node == kNoNode ? kNoNode : child_of(node, place.back()); gone != kNoNode)
        nodes_[gone].parent = kNoNode;
    std::map<std::string, std::string> kept;
    for (auto& [at, argument] : overrides_)
        if (!lies_at(at, pointer))
            kept[at] = std::move(argument);
    overrides_ = std::move(kept);
    if (!parent.is_array()) {
        parent.erase(place.back());
        return;
    }
    // What stands behind an element moves up, and its places with it.
    const std::size_t index = index_of_token(place.back(), parent.size());
    parent.erase(index);
    for (NodeIndex child = node; node != kNoNode && child < nodes_.size(); ++child)
        if (nodes_[child].parent == node)
            move_up(nodes_[child].key, index);
    kept.clear();
    for (auto& [at, argument] : overrides_) {
        std::vector<std::string> tokens = tokens_of(at);
        if (at != around && lies_at(at, around))
            move_up(tokens[place.size() - 1], index);
        kept[pointer_of(tokens)] = std::move(argument);
    }
    overrides_ = std::move(kept);
}

const json* JsonSource::value_at(const std::string& pointer) const {
    const json* at = &root_;
    for (const std::string& token : tokens_of(pointer)) {
        if (at->is_array()) {
            const std::size_t index = index_of_token(token, at->size());
            at = index < at->size() ? &(*at)[index] : nullptr;
        } else {
            const auto member = at->find(token);
            at = member != at->end() ? &*member : nullptr;
        }
        if (at == nullptr)
            break;
    }
    return at;
}

JsonSource::NodeIndex JsonSource::child_of(NodeIndex parent, std::string_view key) const {
    NodeIndex child = parent + 1;
    while (child < nodes_.size() && (nodes_[child].parent != parent || nodes_[child].key != key))
        ++child;
    return child < nodes_.size() ? child : kNoNode;
}

JsonSource::NodeIndex JsonSource::find(const std::string& pointer) const {
    NodeIndex node = 0;
    for (const std::string& token : tokens_of(pointer)) {
        const NodeIndex child = child_of(node, token);
        if (child == kNoNode)
            break;
        node = child;
    }
    return node;
}

void JsonSource::index_text() {
    std::uint32_t characters = 0;
    line_starts_.push_back(0);
    for (std::size_t i = 0; i < text_.size(); ++i) {
        if (i % kCharacterBlock == 0)
            characters_before_.push_back(characters);
        characters += (static_cast<unsigned char>(text_[i]) & 0xc0) != 0x80 ? 1 : 0;
        if (text_[i] == '\n')
            line_starts_.push_back(static_cast<std::uint32_t>(i + 1));
    }
    characters_before_.push_back(characters);
}

std::uint32_t JsonSource::characters_before(std::uint32_t offset) const {
    const std::size_t block = std::min(offset / kCharacterBlock, (text_.size() - 1) / kCharacterBlock);
    std::uint32_t characters = characters_before_[block];
    for (std::size_t i = block * kCharacterBlock; i < offset; ++i)
        characters += (static_cast<unsigned char>(text_[i]) & 0xc0) != 0x80 ? 1 : 0;
    return characters;
}

SourcePlace JsonSource::place_at(const std::string& pointer, std::uint32_t offset) const {
    const auto after = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
    const std::uint32_t line_start = *(after - 1);
    const std::uint32_t column = characters_before(offset) - characters_before(line_start) + 1;
    return {pointer, static_cast<int>(after - line_starts_.begin()), static_cast<int>(column)};
}

const std::string* JsonSource::origin_of(const std::string& pointer) const {
    for (const auto& [at, argument] : overrides_)
        if (lies_at(pointer, at))
            return &argument;
    return nullptr;
}

SourcePlace JsonSource::place_of(const std::string& pointer) const {
    if (origin_of(pointer) != nullptr)
        return {pointer, 0, 0};
    return place_at(pointer, nodes_[find(pointer)].offset);
}

std::vector<SourcePlace> JsonSource::element_places(const std::string& pointer) const {
    std::vector<SourcePlace> places;
    const json& array = root_.at(json::json_pointer(pointer));
    places.reserve(array.size());
    const NodeIndex parent = origin_of(pointer) == nullptr ? find(pointer) : static_cast<NodeIndex>(nodes_.size());
    for (NodeIndex node = parent + 1; node < nodes_.size() && places.size() < array.size(); ++node)
        if (nodes_[node].parent == parent && nodes_[node].key == std::to_string(places.size()))
            places.push_back(place_at(pointer_to(pointer, places.size()), nodes_[node].offset));
    while (places.size() < array.size())
        places.push_back({pointer_to(pointer, places.size()), 0, 0});
    return places;
}

InputError JsonSource::error_at(const std::string& pointer, std::string message) const {
    const std::string* const origin = origin_of(pointer);
    return {origin != nullptr ? *origin : file_, place_of(pointer), std::move(message)};
}

InputError JsonSource::error_at_key(const std::string& pointer, std::string message) const {
    const std::string* const origin = origin_of(pointer);
    if (origin != nullptr)
        return {*origin, {pointer, 0, 0}, std::move(message)};
    return {file_, place_at(pointer, nodes_[find(pointer)].key_offset), std::move(message)};
}

std::string pointer_to(const std::string& pointer, std::string_view key) {
    std::string longer = pointer + '/';
    for (const char c : key)
        longer += c == '~' ? std::string("~0") : c == '/' ? std::string("~1") : std::string(1, c);
    return longer;
}

std::string pointer_to(const std::string& pointer, std::size_t index) { return pointer + '/' + std::to_string(index); }

std::vector<std::string> tokens_of(const std::string& pointer) {
    std::vector<std::string> tokens;
    for (std::size_t at = 0; at < pointer.size();) {
        const std::size_t end = std::min(pointer.find('/', at + 1), pointer.size());
        std::string token;
        for (std::size_t i = at + 1; i < end; ++i) {
            const bool escape = pointer[i] == '~' && i + 1 < end && (pointer[i + 1] == '0' || pointer[i + 1] == '1');
            token += escape ? (pointer[i + 1] == '0' ? '~' : '/') : pointer[i];
            i += escape ? 1 : 0;
        }
        tokens.push_back(std::move(token));
        at = end;
    }
    return tokens;
}

bool looks_like_json(std::string_view text) {
    if (text.empty())
        return false;
    if (text == "true" || text == "false" || text == "null" || text[0] == '{' || text[0] == '[' || text[0] == '"')
        return true;
    const std::string_view digits = text[0] == '-' ? text.substr(1) : text;
    return !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos &&
           (digits.size() == 1 || digits[0] != '0');
}

std::string pointer_of(const std::vector<std::string>& tokens) {
    std::string pointer;
    for (const std::string& token : tokens)
        pointer = pointer_to(pointer, token);
    return pointer;
}

bool lies_at(std::string_view pointer, std::string_view place) {
    return pointer.starts_with(place) && (pointer.size() == place.size() || pointer[place.size()] == '/');
}

std::string pointer_of_path(const std::string& path) {
    if (path.starts_with('/'))
        return path;
    std::string pointer;
    for (std::size_t at = 0; at <= path.size();) {
        const std::size_t end = std::min(path.find('.', at), path.size());
        pointer = pointer_to(pointer, std::string_view(path).substr(at, end - at));
        at = end + 1;
    }
    return pointer;
}

}  // namespace ticklab::lab
