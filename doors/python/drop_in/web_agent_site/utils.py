"""Where the files are: $WEBSHOP_DATA, else ./data."""

from cartwright.drop_in.site import data_folder, default_file

BASE_DIR = data_folder()
DEBUG_PROD_SIZE = None
DEFAULT_ATTR_PATH = default_file("items_ins_v2_1000.json")
DEFAULT_FILE_PATH = default_file("items_shuffle_1000.json")
HUMAN_ATTR_PATH = default_file("items_human_ins.json")
