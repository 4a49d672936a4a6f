"""Texts that have nothing to do with most pictures: as people search with, of many subjects.

Some of them will fit some of the pictures, as some of any queries do.
"""

UNRELATED_TEXTS = tuple(
    """\
a beach at sunset
snow on a mountain
a waterfall in a forest
a city skyline at night
a crowded street market
a field of sunflowers
a cherry tree in blossom
autumn leaves on the ground
a foggy road
a desert with dunes
a harbour with fishing boats
an old stone bridge
a country road
a rainbow over a valley
lightning in the sky
the full moon
a starry sky
a lake with reflections
a glacier
a volcano erupting
a rose
a bouquet of tulips
a cactus in a pot
a palm tree
a bonsai tree
a vegetable garden
a wheat field
a vineyard
an orchard with apples
a tractor on a farm
a barn
a wooden fence
a garden gate
a greenhouse
a swimming pool
a playground slide
a sandcastle
children playing football
a family at a dinner table
a baby in a pram
a bride and a groom
a group of friends laughing
a man with a beard
a woman reading a book
a portrait of an old woman
a boy on a skateboard
a girl with a kite
a runner in a race
a cyclist on a hill
a skier going downhill
a surfer on a wave
a swimmer under water
a climber on a rock face
a boxer in a ring
a golfer on the green
a tennis player
a basketball game
an ice hockey match
a marathon
a yoga class
a ballet dancer
a guitarist on stage
a singer with a microphone
a crowd at a festival
fireworks
a parade with flags
a Christmas tree
a carved pumpkin
an Easter egg
a birthday party
a graduation ceremony
a classroom
a library with many books
an office with desks
a meeting room
a business card
a handwritten letter
a printed invoice
a spreadsheet on a screen
a bar chart
a map of the world
a road sign
a shop window
a restaurant terrace
a hotel lobby
a hospital corridor
a doctor with a stethoscope
a scientist at a microscope
a factory hall
a welder at work
a construction site with cranes
a bricklayer
a carpenter's bench
a power line
a wind farm
a nuclear power station
an oil platform
a container ship
an airport terminal
a passenger plane
a railway station
a tram in the street
an underground train
a taxi
a lorry on a motorway
a pick-up truck
a camper van
a racing car
a vintage car
a scooter
a car engine
a tyre
a petrol station
a car park
a traffic jam
a pedestrian crossing
a church tower
a mosque
a Buddhist temple
a castle on a hill
a palace garden
a wooden cabin
a terraced house
a skyscraper of glass
a spiral staircase
a brick wall
a tiled floor
a stained glass window
a fountain in a square
a statue of a horseman
an oil painting
a watercolour of flowers
a pencil drawing
a comic strip
graffiti on a wall
a company logo
a poster of a film
a cup of tea
a breakfast with eggs
a fried fish
a bowl of soup
a green salad
a sandwich
a roast chicken
a steak on a grill
a plate of cheese
a chocolate bar
a pancake with syrup
a doughnut
a jar of jam
an orange cut in half
a lemon
a bunch of grapes
a watermelon
a tomato
a carrot
a sack of potatoes
a red pepper
a head of garlic
a spice market
a kitchen knife
a teapot
a stack of plates
a toaster
a microwave oven
a kitchen sink
a sofa with cushions
a bed with white sheets
a wardrobe
a dining table
a floor lamp
a fireplace
a curtain
a carpet
a mirror
a vase
a picture frame
a teddy bear
a doll
a toy train
building blocks
a puzzle
playing cards
a game controller
a board game
a smartphone
a computer keyboard
a printer
a pair of headphones
a loudspeaker
a camera on a tripod
a drone
a robot
a circuit board
a light bulb
a battery
a power drill
a saw
a ladder
a paint brush
a box of nails
a bucket
a broom
a rope
an anchor
a padlock
a bunch of keys
a wallet
a coin
a banknote
a suitcase
a rucksack
a tent
a sleeping bag
a campfire
a fishing rod
a life jacket
a pair of boots
a woollen sweater
a summer dress
a blue shirt
a pair of jeans
a baseball cap
a silk scarf
gloves
a pearl necklace
an ear ring
a lipstick
a bottle of perfume
a hair dryer
a bar of soap
a towel
a bandage
a pill
a syringe
a wheelchair
a dentist
a vet with an animal
a dog on a leash
a cat on a window sill
a hamster
a parrot in a cage
an aquarium
a horse race
a flock of birds
a swan on a pond
an eagle in flight
a deer in the woods
a fox in the snow
a brown bear
a monkey in a tree
a tiger
a crocodile on a bank
a turtle in the sea
a coral reef
a school of fish
a crab on the sand
an ant
a fly
a caterpillar
a mushroom in the forest
moss on a stone
a fern
drops of water on a leaf
a frozen window
smoke
a cloud
a shadow on a wall
an empty room
a pattern of stripes
a blurred picture
a screenshot
2024
""".splitlines()
)
