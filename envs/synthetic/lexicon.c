/* The generated shop's words. Every list is written for this project; the attribute pools are shared by kinds
 * of one department on purpose, so that words alone do not tell products apart. */
#include "envs/synthetic/lexicon.h"

static const char *const fabric_attributes[] = {"machine washable",
                                                "moisture wicking",
                                                "wrinkle resistant",
                                                "quick drying",
                                                "long sleeve",
                                                "short sleeve",
                                                "stretch fabric",
                                                "breathable mesh",
                                                "cotton blend",
                                                "elastic waist",
                                                "button closure",
                                                "hand wash",
                                                "relaxed fit",
                                                "drawstring waist",
                                                "side pockets",
                                                "soft fleece",
                                                NULL};

static const char *const shoe_attributes[] = {"non slip",        "rubber sole",
                                              "arch support",    "memory foam",
                                              "water resistant", "lace up",
                                              "slip on",         "breathable mesh",
                                              "ankle support",   "faux leather",
                                              "wide toe",        "shock absorbing",
                                              "light weight",    NULL};

static const char *const skin_attributes[] = {"cruelty free",
                                              "paraben free",
                                              "fragrance free",
                                              "sulfate free",
                                              "sensitive skin",
                                              "dry skin",
                                              "oily skin",
                                              "anti aging",
                                              "long lasting",
                                              "natural ingredients",
                                              "dermatologist tested",
                                              "vitamin c",
                                              "hyaluronic acid",
                                              "tea tree",
                                              "shea butter",
                                              "alcohol free",
                                              NULL};

static const char *const hair_attributes[] = {"damaged hair",    "color treated",
                                              "curly hair",      "hair growth",
                                              "argan oil",       "keratin protein",
                                              "coconut oil",     "sulfate free",
                                              "silicone free",   "dry scalp",
                                              "heat protection", "natural ingredients",
                                              "cruelty free",    NULL};

static const char *const food_attributes[] = {"gluten free",
                                              "dairy free",
                                              "non gmo",
                                              "low sugar",
                                              "low calorie",
                                              "high protein",
                                              "plant based",
                                              "keto friendly",
                                              "sugar free",
                                              "organic certified",
                                              "nut free",
                                              "low sodium",
                                              "artificial colors free",
                                              "soy free",
                                              "individually wrapped",
                                              "fair trade",
                                              NULL};

static const char *const furniture_attributes[] = {
    "easy assembly",     "solid wood", "metal legs", "space saving",      "water resistant",
    "stain resistant",   "easy clean", "anti rust",  "adjustable height", "tempered glass",
    "scratch resistant", "heavy duty", "non slip",   "mid century",       "storage space",
    "faux marble",       NULL};

static const char *const textile_attributes[] = {
    "machine washable", "super soft",  "room darkening", "thermal insulated", "hypoallergenic",
    "fade resistant",   "deep pocket", "noise reducing", "energy efficient",  "breathable cotton",
    "hand embroidered", "ultra plush", "wrinkle free",   "easy clean",        NULL};

static const char *const device_attributes[] = {"fast charging",   "noise cancelling", "long battery life",
                                                "water resistant", "hands free",       "high speed",
                                                "high resolution", "plug and play",    "wide compatibility",
                                                "shock proof",     "touch control",    "low latency",
                                                "voice control",   "gold plated",      "foldable design",
                                                "usb c",           "wall mountable",   "motion activated",
                                                "night vision",    "dual band",        NULL};

static const char *const values_0[] = {
    "Black",    "White", "Navy Blue",  "Heather Gray",   "Burgundy", "Olive Green", "Royal Blue",
    "Charcoal", "Khaki", "Dusty Pink", "Mustard Yellow", "Teal",     NULL};

static const char *const values_1[] = {"Small", "Medium", "Large", "X-Large", "XX-Large", "3X-Large", NULL};

static const char *const values_2[] = {"Regular", "Slim", "Relaxed", "Tall", NULL};

static const char *const values_3[] = {"6", "6.5", "7",  "7.5", "8",  "8.5",
                                       "9", "9.5", "10", "11",  "12", NULL};

static const char *const values_4[] = {"Lavender",   "Vanilla", "Eucalyptus Mint", "Citrus", "Unscented",
                                       "Cedar Wood", "Coconut", "Rose Petal",      NULL};

static const char *const values_5[] = {"2 Ounce",  "4 Ounce",  "8 Ounce", "12 Ounce",
                                       "16 Ounce", "32 Ounce", NULL};

static const char *const values_6[] = {"Ruby Red",    "Nude Beige",    "Coral Peach",
                                       "Plum Berry",  "Soft Pink",     "Caramel Brown",
                                       "Dark Cherry", "Golden Bronze", NULL};

static const char *const values_7[] = {"Pack of 1", "Pack of 2",  "Pack of 4",
                                       "Pack of 6", "Pack of 12", NULL};

static const char *const values_8[] = {"Chocolate",     "Vanilla",  "Strawberry",  "Salted Caramel",
                                       "Peanut Butter", "Original", "Honey Lemon", "Mango",
                                       "Cinnamon",      "Sea Salt", NULL};

static const char *const values_9[] = {"Espresso",    "Walnut",        "White", "Black",
                                       "Natural Oak", "Slate Gray",    "Ivory", "Sage Green",
                                       "Terracotta",  "Midnight Blue", NULL};

static const char *const values_10[] = {"Round", "Oval", "Square", "Octagon", NULL};

static const char *const values_11[] = {"24 in Height", "26 in Height", "30 in Height",
                                        "Set of 2",     "Set of 4",     NULL};

static const char *const values_12[] = {"3 Tier", "4 Tier", "5 Tier", "6 Tier", NULL};

static const char *const values_13[] = {"One Drawer", "Two Drawers", "Three Drawers", "With Shelf", NULL};

static const char *const values_14[] = {"2 ft x 3 ft", "3 ft x 5 ft",  "4 ft x 6 ft",
                                        "5 ft x 8 ft", "8 ft x 10 ft", NULL};

static const char *const values_15[] = {"42 in x 63 in", "52 in x 63 in",  "52 in x 84 in",
                                        "52 in x 95 in", "60 in x 108 in", NULL};

static const char *const values_16[] = {"Twin", "Full", "Queen", "King", "California King", NULL};

static const char *const values_17[] = {"16 in x 16 in", "18 in x 18 in", "20 in x 20 in", "12 in x 20 in",
                                        NULL};

static const char *const values_18[] = {"Black",     "Silver",     "Rose Gold",   "Space Gray", "White",
                                        "Coral Red", "Mint Green", "Deep Purple", NULL};

static const char *const values_19[] = {"Basic Kit", "With Carrying Case", "With Charger",
                                        "Two Year Warranty", NULL};

static const char *const values_20[] = {"3 Feet", "6 Feet", "10 Feet", "15 Feet", "25 Feet", "50 Feet", NULL};

static const char *const values_21[] = {"32 GB", "64 GB", "128 GB", "256 GB", "512 GB", NULL};

static const char *const values_22[] = {"8 x 10 in", "11 x 14 in", "16 x 20 in", "24 x 36 in", NULL};

static const char *const values_23[] = {"Framed", "Unframed", "Floating Frame", NULL};

static const SyntheticOptionGroup options_0[] = {{"Color", values_0}, {"Size", values_1}, {NULL, NULL}};

static const SyntheticOptionGroup options_1[] = {
    {"Color", values_0}, {"Size", values_1}, {"Fit", values_2}, {NULL, NULL}};

static const SyntheticOptionGroup options_2[] = {{"Color", values_0}, {"Size", values_3}, {NULL, NULL}};

static const SyntheticOptionGroup options_3[] = {{"Scent", values_4}, {"Size", values_5}, {NULL, NULL}};

static const SyntheticOptionGroup options_4[] = {{"Size", values_5}, {NULL, NULL}};

static const SyntheticOptionGroup options_5[] = {{"Color", values_6}, {"Pack", values_7}, {NULL, NULL}};

static const SyntheticOptionGroup options_6[] = {{"Scent", values_4}, {"Pack", values_7}, {NULL, NULL}};

static const SyntheticOptionGroup options_7[] = {{"Flavor", values_8}, {"Pack", values_7}, {NULL, NULL}};

static const SyntheticOptionGroup options_8[] = {{"Flavor", values_8}, {"Size", values_5}, {NULL, NULL}};

static const SyntheticOptionGroup options_9[] = {{"Color", values_9}, {"Style", values_10}, {NULL, NULL}};

static const SyntheticOptionGroup options_10[] = {{"Color", values_9}, {"Size", values_11}, {NULL, NULL}};

static const SyntheticOptionGroup options_11[] = {{"Color", values_9}, {"Size", values_12}, {NULL, NULL}};

static const SyntheticOptionGroup options_12[] = {{"Color", values_9}, {"Style", values_13}, {NULL, NULL}};

static const SyntheticOptionGroup options_13[] = {{"Color", values_9}, {"Size", values_14}, {NULL, NULL}};

static const SyntheticOptionGroup options_14[] = {{"Color", values_9}, {"Size", values_15}, {NULL, NULL}};

static const SyntheticOptionGroup options_15[] = {{"Color", values_9}, {"Size", values_16}, {NULL, NULL}};

static const SyntheticOptionGroup options_16[] = {{"Color", values_9}, {"Size", values_17}, {NULL, NULL}};

static const SyntheticOptionGroup options_17[] = {{"Color", values_18}, {"Style", values_19}, {NULL, NULL}};

static const SyntheticOptionGroup options_18[] = {{"Size", values_20}, {"Pack", values_7}, {NULL, NULL}};

static const SyntheticOptionGroup options_19[] = {{"Color", values_18}, {"Size", values_20}, {NULL, NULL}};

static const SyntheticOptionGroup options_20[] = {{"Color", values_18}, {"Pack", values_7}, {NULL, NULL}};

static const SyntheticOptionGroup options_21[] = {{"Capacity", values_21}, {"Pack", values_7}, {NULL, NULL}};

static const SyntheticOptionGroup options_22[] = {{"Color", values_18}, {NULL, NULL}};

static const SyntheticOptionGroup options_23[] = {{"Size", values_22}, {"Style", values_23}, {NULL, NULL}};

const SyntheticKind synthetic_kinds[] = {
    {"fashion", "men's dress shirts", "Men's Dress Shirt",
     "Clothing, Shoes & Jewelry › Men › Clothing › Shirts › Dress Shirts", "Collar Stay Set for Dress Shirts",
     fabric_attributes, options_0, 18, 70},
    {"fashion", "men's shorts", "Men's Athletic Shorts",
     "Clothing, Shoes & Jewelry › Men › Clothing › Shorts", "Drawstring Cord Replacement for Shorts",
     fabric_attributes, options_0, 12, 45},
    {"fashion", "women's dresses", "Women's Midi Dress",
     "Clothing, Shoes & Jewelry › Women › Clothing › Dresses", "Garment Bag for Dresses", fabric_attributes,
     options_0, 20, 90},
    {"fashion", "women's sweaters", "Women's Knit Sweater",
     "Clothing, Shoes & Jewelry › Women › Clothing › Sweaters", "Sweater Shaver for Knit Sweaters",
     fabric_attributes, options_0, 19, 80},
    {"fashion", "men's jackets", "Men's Hooded Jacket",
     "Clothing, Shoes & Jewelry › Men › Clothing › Jackets & Coats", "Zipper Pull Set for Jackets",
     fabric_attributes, options_1, 35, 160},
    {"fashion", "running shoes", "Running Shoes",
     "Clothing, Shoes & Jewelry › Unisex › Shoes › Athletic › Running", "Shoe Laces for Running Shoes",
     shoe_attributes, options_2, 30, 130},
    {"fashion", "women's sandals", "Women's Strap Sandals",
     "Clothing, Shoes & Jewelry › Women › Shoes › Sandals", "Heel Cushions for Sandals", shoe_attributes,
     options_2, 15, 75},
    {"fashion", "work boots", "Work Boots", "Clothing, Shoes & Jewelry › Men › Shoes › Boots › Work & Safety",
     "Boot Brush for Work Boots", shoe_attributes, options_2, 45, 180},
    {"fashion", "house slippers", "House Slippers", "Clothing, Shoes & Jewelry › Unisex › Shoes › Slippers",
     "Slipper Insoles for House Slippers", shoe_attributes, options_2, 10, 45},
    {"fashion", "yoga pants", "High Waist Yoga Pants",
     "Clothing, Shoes & Jewelry › Women › Clothing › Active › Leggings",
     "Yoga Mat Strap for Yoga Pants Wearers", fabric_attributes, options_0, 15, 60},
    {"beauty", "face moisturizers", "Face Moisturizer Cream",
     "Beauty & Personal Care › Skin Care › Face › Creams & Moisturizers",
     "Spatula Set for Face Moisturizer Jars", skin_attributes, options_3, 8, 60},
    {"beauty", "face serums", "Brightening Face Serum", "Beauty & Personal Care › Skin Care › Face › Serums",
     "Dropper Bottles for Face Serum", skin_attributes, options_4, 10, 70},
    {"beauty", "body lotions", "Body Lotion", "Beauty & Personal Care › Skin Care › Body › Lotions",
     "Lotion Applicator for Body Lotion", skin_attributes, options_3, 6, 35},
    {"beauty", "lipsticks", "Matte Lipstick", "Beauty & Personal Care › Makeup › Lips › Lipstick",
     "Lipstick Organizer Stand", skin_attributes, options_5, 6, 32},
    {"beauty", "makeup removers", "Makeup Remover", "Beauty & Personal Care › Makeup › Makeup Removers",
     "Headband for Makeup Remover Routine", skin_attributes, options_6, 5, 28},
    {"beauty", "shampoos", "Daily Shampoo", "Beauty & Personal Care › Hair Care › Shampoo",
     "Pump Dispenser for Shampoo Bottles", hair_attributes, options_3, 7, 40},
    {"beauty", "hair masks", "Repair Hair Mask", "Beauty & Personal Care › Hair Care › Treatments › Masks",
     "Shower Cap for Hair Mask", hair_attributes, options_3, 9, 45},
    {"beauty", "deodorants", "Deodorant Stick", "Beauty & Personal Care › Deodorants",
     "Travel Case for Deodorant Stick", skin_attributes, options_6, 5, 30},
    {"beauty", "beard oils", "Beard Oil", "Beauty & Personal Care › Shave › Beard & Mustache Care",
     "Beard Comb for Beard Oil", hair_attributes, options_3, 8, 35},
    {"grocery", "protein bars", "Protein Bars", "Grocery & Gourmet Food › Snacks › Bars › Protein",
     "Storage Tin for Protein Bars", food_attributes, options_7, 8, 55},
    {"grocery", "trail mixes", "Trail Mix", "Grocery & Gourmet Food › Snacks › Nuts & Trail Mix",
     "Snack Cups for Trail Mix", food_attributes, options_8, 6, 40},
    {"grocery", "herbal teas", "Herbal Tea Bags", "Grocery & Gourmet Food › Beverages › Tea › Herbal",
     "Tea Infuser for Herbal Tea", food_attributes, options_7, 5, 35},
    {"grocery", "ground coffees", "Ground Coffee", "Grocery & Gourmet Food › Beverages › Coffee › Ground",
     "Coffee Scoop for Ground Coffee", food_attributes, options_8, 8, 45},
    {"grocery", "crackers", "Baked Crackers", "Grocery & Gourmet Food › Snacks › Crackers",
     "Serving Tray for Crackers", food_attributes, options_7, 5, 30},
    {"grocery", "granola cereals", "Granola Cereal", "Grocery & Gourmet Food › Breakfast › Granola",
     "Cereal Container for Granola", food_attributes, options_8, 6, 38},
    {"garden", "coffee tables", "Coffee Table",
     "Home & Kitchen › Furniture › Living Room Furniture › Tables › Coffee Tables",
     "Table Coasters for Coffee Table", furniture_attributes, options_9, 70, 400},
    {"garden", "bar stools", "Bar Stool", "Home & Kitchen › Furniture › Kitchen & Dining › Bar Stools",
     "Foot Pads for Bar Stool", furniture_attributes, options_10, 50, 320},
    {"garden", "bookcases", "Open Bookcase", "Home & Kitchen › Furniture › Home Office › Bookcases",
     "Book Ends for Bookcase", furniture_attributes, options_11, 45, 290},
    {"garden", "nightstands", "Bedside Nightstand", "Home & Kitchen › Furniture › Bedroom › Nightstands",
     "Drawer Liner for Nightstand", furniture_attributes, options_12, 40, 210},
    {"garden", "area rugs", "Area Rug", "Home & Kitchen › Home Decor › Rugs › Area Rugs",
     "Rug Gripper Pads for Area Rug", textile_attributes, options_13, 25, 240},
    {"garden", "window curtains", "Window Curtains",
     "Home & Kitchen › Home Decor › Window Treatments › Curtains", "Curtain Rings for Window Curtains",
     textile_attributes, options_14, 15, 95},
    {"garden", "bed sheets", "Bed Sheet Set", "Home & Kitchen › Bedding › Sheets",
     "Sheet Straps for Bed Sheet Set", textile_attributes, options_15, 20, 110},
    {"garden", "throw pillows", "Throw Pillow Cover", "Home & Kitchen › Bedding › Decorative Pillows",
     "Pillow Insert for Throw Pillow Cover", textile_attributes, options_16, 8, 45},
    {"garden", "comforters", "Quilted Comforter", "Home & Kitchen › Bedding › Comforters",
     "Comforter Clips for Quilted Comforter", textile_attributes, options_15, 30, 160},
    {"electronics", "wireless earbuds", "Wireless Earbuds", "Electronics › Headphones › Earbuds",
     "Ear Tips for Wireless Earbuds", device_attributes, options_17, 18, 180},
    {"electronics", "bluetooth speakers", "Bluetooth Speaker", "Electronics › Portable Audio › Speakers",
     "Carrying Case for Bluetooth Speaker", device_attributes, options_17, 20, 200},
    {"electronics", "hdmi cables", "HDMI Cable", "Electronics › Accessories › Cables › HDMI",
     "Cable Clips for HDMI Cable", device_attributes, options_18, 6, 50},
    {"electronics", "phone chargers", "Phone Charger", "Cell Phones & Accessories › Chargers › Wall Chargers",
     "Cord Wrap for Phone Charger", device_attributes, options_19, 8, 60},
    {"electronics", "security cameras", "Security Camera", "Electronics › Camera & Photo › Security Cameras",
     "Mounting Bracket for Security Camera", device_attributes, options_20, 25, 260},
    {"electronics", "memory cards", "Memory Card", "Electronics › Accessories › Memory Cards",
     "Card Wallet for Memory Card", device_attributes, options_21, 8, 120},
    {"electronics", "smart watches", "Smart Watch", "Electronics › Wearable Technology › Smartwatches",
     "Watch Band for Smart Watch", device_attributes, options_17, 35, 330},
    {"electronics", "tablet cases", "Tablet Case", "Electronics › Tablet Accessories › Cases",
     "Stylus Holder for Tablet Case", device_attributes, options_22, 10, 55},
    {"garden", "wall art", "Canvas Wall Art", "Home & Kitchen › Wall Art › Paintings",
     "Hanging Hooks for Canvas Wall Art", furniture_attributes, options_23, 18, 150},
    {"garden", "scented candles", "Scented Candle", "Home & Kitchen › Home Decor › Candles",
     "Wick Trimmer for Scented Candle", skin_attributes, options_3, 8, 48},
};

const guint synthetic_n_kinds = G_N_ELEMENTS(synthetic_kinds);

const char *const synthetic_brand_heads[] = {"Nor", "Vel", "Kas",  "Tor", "Lum", "Bri", "Quin", "Dal",
                                             "Fen", "Har", "Mira", "Oak", "Pax", "Rin", "Sol",  "Tal",
                                             "Ulm", "Wex", "Yor",  "Zan", "Ash", "Bel", "Cor",  "Dun",
                                             "Elm", "Fal", "Gar",  "Hol", "Ivo", "Jun", NULL};

const char *const synthetic_brand_tails[] = {
    "vale", "ton", "more", "dex", "wyn",  "field", "son",   "mark", "lane", "ford", "ell", "ira", "ova",
    "est",  "and", "wood", "ley", "hart", "gate",  "crest", "dale", "ium",  "ora",  "ex",  NULL};

const char *const synthetic_bullet_patterns[] = {"%s: made to last through daily use",
                                                 "Designed to be %s, so you can rely on it",
                                                 "You asked for %s and we listened",
                                                 "%s for every day of the week",
                                                 "Our customers love that it is %s",
                                                 "Made with %s in mind",
                                                 NULL};

const char *const synthetic_filler_bullets[] = {"Satisfaction promise: contact us within 30 days",
                                                "A thoughtful gift for family and friends",
                                                "Please check the size chart before ordering",
                                                "Colors may differ slightly from screen to screen",
                                                "Designed in a small studio and tested by hand",
                                                "Package includes one item and a care card",
                                                NULL};

const char *const synthetic_praise[] = {"Classic",  "Modern", "Premium", "Everyday", "Essential", "Signature",
                                        "Original", "Deluxe", "Simple",  "Studio",   NULL};
