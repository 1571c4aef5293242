#include "ticklab/lab/data_files.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>

namespace ticklab::lab {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kFolders{"machines", "costs", ""};

std::vector<fs::path>& added_folders() {
    static std::vector<fs::path> folders;
    return folders;
}

std::vector<fs::path> roots(const std::string& mentioned_in) {
    std::vector<fs::path> paths;
    if (!mentioned_in.empty())
        paths.push_back(fs::path(mentioned_in).parent_path());
    if (const char* const data = std::getenv("TICKLAB_DATA"); data != nullptr && *data != '\0')
        paths.emplace_back(data);
    paths.insert(paths.end(), added_folders().begin(), added_folders().end());
    paths.emplace_back(TICKLAB_SOURCE_DATA);
    return paths;
}

bool is_file(const fs::path& path) {
    std::error_code error;
    return fs::exists(path, error) && !fs::is_directory(path, error);
}

void add_files(const fs::path& folder, bool below, std::map<std::string, std::string>& files) {
    std::error_code error;
    for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        const bool own_kind =
            it.depth() > 0 || (it->path().filename() != "machines" && it->path().filename() != "costs");
        if (it->is_directory(error) && !(below && own_kind))
            it.disable_recursion_pending();
        if (it->path().extension() == ".json" && is_file(it->path()))
            files.emplace(it->path().lexically_relative(folder).replace_extension().generic_string(),
                          it->path().string());
    }
}

}  // namespace

void add_data_folder(std::string folder) { added_folders().emplace_back(std::move(folder)); }

std::optional<std::string> find_data_file(DataKind kind, const std::string& name, const std::string& mentioned_in) {
    if (name.find('/') != std::string::npos || name.ends_with(".json")) {
        const fs::path path = fs::path(mentioned_in).parent_path() / name;
        return is_file(path) ? std::optional(path.string()) : std::nullopt;
    }
    for (const fs::path& root : roots(mentioned_in)) {
        const fs::path path = root / kFolders[static_cast<std::size_t>(kind)] / (name + ".json");
        if (is_file(path))
            return path.string();
    }
    return std::nullopt;
}

std::vector<DataFile> list_data_files(DataKind kind, const std::string& mentioned_in) {
    std::map<std::string, std::string> files;
    for (const fs::path& root : roots(mentioned_in))
        add_files(root / kFolders[static_cast<std::size_t>(kind)], kind == DataKind::kScenario, files);
    std::vector<DataFile> sorted;
    sorted.reserve(files.size());
    for (const auto& [name, file] : files)
        sorted.push_back({name, file});
    return sorted;
}

}  // namespace ticklab::lab
