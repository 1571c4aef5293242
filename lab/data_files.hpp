// Where machine profiles, cost tables and the scenarios that come with ticklab are found.
//
// A name with a slash or ending in ".json" is a file, relative to the file that mentions it. A plain name is looked for
// as machines/NAME.json or costs/NAME.json: beside the file that mentions it, then in $TICKLAB_DATA, then in the
// folders that the program added, then in the source tree that it was built from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ticklab::lab {

enum class DataKind : unsigned char { kMachine, kCostTable, kScenario };

/// Adds a folder with machines/ and costs/, such as share/ticklab of an installed ticklab; what was added first counts
/// more. Before run_program().
void add_data_folder(std::string folder);

/// The file that `name` means in `mentioned_in`; nothing if there is none.
std::optional<std::string> find_data_file(DataKind kind, const std::string& name, const std::string& mentioned_in);

/// A data file with the plain name by which it is found; of a scenario, the path below its directory.
struct DataFile {
    std::string name;
    std::string file;
};
/// All that a scenario in `mentioned_in` could name (none if empty), by name; the first of a name wins.
std::vector<DataFile> list_data_files(DataKind kind, const std::string& mentioned_in = {});

}  // namespace ticklab::lab
