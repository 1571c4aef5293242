// Words in one line of text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ticklab::lab {

/// With the separator between them; "-" if there are none.
inline std::string joined(const std::vector<std::string>& words, std::string_view separator) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : std::string(separator)) + word;
    return text.empty() ? "-" : text;
}

}  // namespace ticklab::lab
